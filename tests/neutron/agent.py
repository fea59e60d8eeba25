"""Neutron's metadata agent, for real, with only the look-up of the port replaced.

    agent.py neutron|ovn SOCKET NOVA_PORT LOG

The handler and the server are Neutron's own (`MetadataProxyHandler` on `proxy_base.MetadataProxyServer`), put together as
`UnixDomainMetadataProxy.run` does. A fork of the loaded program serves; `restart` on standard input kills it and forks
another, `stop` and `start` do the halves. Every word is answered with a line when it is done.
"""

import os
import signal
import sys

import ports
from fake_nova import SECRET
from neutron.agent.metadata import agent as neutron_agent
from neutron.agent.metadata import proxy_base
from neutron.agent.ovn.metadata import server_socket as ovn_agent
from neutron.common import config
from neutron.conf.agent.metadata import config as meta
from neutron_lib.utils import host
from oslo_config import cfg


class PluginRpc:
    """In place of MetadataPluginAPI: the ports of the laboratory instead of a message to neutron-server."""

    def __init__(self, topic: str) -> None:
        pass

    def get_ports(self, context: object, filters: dict) -> list[dict]:
        if "device_id" in filters:
            return [{"network_id": n} for r, n in ports.ROUTERS.items() if r in filters["device_id"]]
        address = filters.get("fixed_ips", {}).get("ip_address", [None])[0]
        mac = filters.get("mac_address", [None])[0]
        found = [p for n in filters.get("network_id", []) for p in ports.find(n, address, mac)]
        return [{"device_id": p.instance, "project_id": p.project} for p in found]


class SouthboundIdl:
    """In place of OVN's southbound database."""

    def get_network_port_bindings_by_ip(self, network: str, address: str, mac: str | None = None) -> list:
        return [p.as_ovn() for p in ports.find(network, None if mac else address, mac)]


def configure(socket: str, nova_port: int, log: str) -> None:
    config.register_common_config_options()
    for options in (meta.SHARED_OPTS, meta.UNIX_DOMAIN_METADATA_PROXY_OPTS, meta.METADATA_PROXY_HANDLER_OPTS):
        meta.register_meta_conf_opts(options)
    cfg.CONF([], project="neutron", default_config_files=[])
    cfg.CONF.set_override("metadata_proxy_socket", socket)
    cfg.CONF.set_override("metadata_proxy_user", "neutron")
    cfg.CONF.set_override("metadata_proxy_group", "neutron")
    cfg.CONF.set_override("nova_metadata_host", "127.0.0.1")
    cfg.CONF.set_override("nova_metadata_port", nova_port)
    cfg.CONF.set_override("metadata_proxy_shared_secret", SECRET)
    cfg.CONF.set_override("log_file", log)
    config.setup_logging()


def make_server(kind: str) -> proxy_base.MetadataProxyServer:
    """What `UnixDomainMetadataProxy.__init__` and `.run` do, without the reports to neutron-server."""
    conf = cfg.CONF
    if kind == "ovn":
        proxy = ovn_agent.UnixDomainMetadataProxy(conf, "chassis", SouthboundIdl())
        proxy.run()
        server = proxy._server
    else:
        neutron_agent.MetadataPluginAPI = PluginRpc
        proxy = neutron_agent.UnixDomainMetadataProxy(conf)
        workers = conf.metadata_workers
        workers = host.cpu_count() // 2 if workers is None else workers
        server = proxy_base.MetadataProxyServer(
            workers, conf.metadata_proxy_socket, neutron_agent.MetadataProxyHandler
        )
        neutron_agent.MetadataProxyHandler._conf = conf
    os.chmod(conf.metadata_proxy_socket, proxy._get_socket_mode())
    return server


def fork_server(kind: str) -> int:
    """Forks a process that serves; returns when its socket listens."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        server = make_server(kind)
        os.write(tell, b"ready")
        os.close(tell)
        server.serve_forever()
        os._exit(1)
    os.close(tell)
    if os.read(ready, 5) != b"ready":
        sys.exit("the agent did not come up")
    os.close(ready)
    return child


def main() -> None:
    kind, socket, nova_port, log = sys.argv[1:]
    configure(socket, int(nova_port), log)
    child = fork_server(kind)
    print("ready", flush=True)
    for word in sys.stdin:
        word = word.strip()
        if word in ("stop", "restart") and child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            child = 0
        if word in ("start", "restart") and not child:
            child = fork_server(kind)
        print(word, flush=True)
    if child:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
