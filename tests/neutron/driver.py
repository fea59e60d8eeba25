"""Neutron's own drivers, set up as its agents set them up, but with nothing between them and the system.

`root_helper = env` (the process already has the rights it needs) and the privsep contexts run in this process.
"""

import os

import lab
from fake_nova import SECRET
from neutron import privileged
from neutron.agent.l2.extensions.metadata import host_metadata_proxy, metadata_path
from neutron.agent.linux import external_process
from neutron.agent.metadata import driver as neutron_driver
from neutron.agent.ovn.metadata import driver as ovn_driver
from neutron.common import config
from neutron.conf.agent import common as agent_conf
from neutron.conf.agent.metadata import config as meta
from neutron.conf.plugins.ml2.drivers import ovs_conf
from oslo_config import cfg

DRIVERS = {"neutron": neutron_driver.MetadataDriver, "ovn": ovn_driver.MetadataDriver}
LOG = os.environ.get("NSGATE_DRIVER_LOG", "/run/lab/driver.log")
IDENTITY = {"neutron": "X-Neutron-Network-ID", "ovn": "X-OVN-Network-ID"}


def configure(haproxy: str | None) -> None:
    """Once per process: options registered, the haproxy under test first on PATH, or PATH as it is.

    With `NSGATE_NEUTRON_CONF` the options are those of that file, and privsep is a daemon, as in an agent of a deployment.
    """
    config.register_common_config_options()
    agent_conf.register_root_helper(cfg.CONF)
    agent_conf.register_external_process_opts(cfg.CONF)
    for options in (meta.SHARED_OPTS, meta.METADATA_PROXY_HANDLER_OPTS):
        meta.register_meta_conf_opts(options)
    meta.register_meta_conf_opts(meta.METADATA_RATE_LIMITING_OPTS, group=meta.RATE_LIMITING_GROUP)
    meta.register_meta_conf_opts(meta.METADATA_HAPROXY_OPTS, group=meta.HAPROXY_GROUP)
    ovs_conf.register_ovs_agent_opts(cfg.CONF)
    file = os.environ.get("NSGATE_NEUTRON_CONF")
    if file:
        cfg.CONF(["--config-file", file], project="neutron")
        cfg.CONF.set_override("check_child_processes_interval", 0, group="AGENT")
        config.setup_logging()
        return
    cfg.CONF([], project="neutron", default_config_files=[])
    reset_options()
    for context in vars(privileged).values():
        if hasattr(context, "set_client_mode"):
            context.set_client_mode(False)
    if haproxy:
        os.environ["PATH"] = os.path.dirname(os.path.abspath(haproxy)) + ":/usr/sbin:/usr/bin:/sbin:/bin"
    cfg.CONF.set_override("log_file", LOG)
    config.setup_logging()


def reset_options() -> None:
    """The options of the laboratory; everything else as Neutron's defaults."""
    cfg.CONF.clear_override("rate_limit_enabled", group=meta.RATE_LIMITING_GROUP)
    cfg.CONF.clear_override("ip_versions", group=meta.RATE_LIMITING_GROUP)
    cfg.CONF.clear_override("timeout_server", group=meta.HAPROXY_GROUP)
    cfg.CONF.set_override("state_path", str(lab.STATE))
    cfg.CONF.set_override("root_helper", "env", group="AGENT")
    cfg.CONF.set_override("kill_scripts_path", "", group="AGENT")
    cfg.CONF.set_override("metadata_proxy_user", "neutron")
    cfg.CONF.set_override("metadata_proxy_group", "neutron")
    cfg.CONF.set_override("nova_metadata_host", "127.0.0.1", group="METADATA")
    cfg.CONF.set_override("nova_metadata_port", lab.NOVA_PORT, group="METADATA")
    cfg.CONF.set_override("metadata_proxy_shared_secret", SECRET, group="METADATA")


class Networks:
    """What an agent does for its networks: starts and stops their proxies under a real ProcessMonitor."""

    def __init__(self, kind: str) -> None:
        self.driver = DRIVERS[kind]
        self.watch(0)

    def watch(self, seconds: int) -> None:
        """Looks after the proxies every so many seconds; 0 is never."""
        cfg.CONF.set_override("check_child_processes_interval", seconds, group="AGENT")
        self.monitor = external_process.ProcessMonitor(config=cfg.CONF, resource_type="metadata")

    def spawn(self, uuid: str, *, router: bool = False, v6: bool = False, address: str | None = None) -> None:
        where: dict = {"bind_address": address or ("::" if router else "169.254.169.254")}
        where["router_id" if router else "network_id"] = uuid
        if v6:
            where |= {"bind_address_v6": "fe80::a9fe:a9fe", "bind_interface": lab.TAP}
        port = 9697 if router else 80
        self.driver.spawn_monitored_metadata_proxy(self.monitor, lab.GATE, port, cfg.CONF, **where)

    def destroy(self, uuid: str) -> None:
        self.driver.destroy_monitored_metadata_proxy(self.monitor, uuid, cfg.CONF, lab.GATE)

    def manager(self, uuid: str) -> external_process.ProcessManager | None:
        return self.driver.monitors.get(uuid)

    def end(self) -> None:
        self.monitor.stop()
        for uuid in list(self.driver.monitors):
            self.destroy(uuid)


class Host:
    """What the `metadata_path` extension does for the instances of a host, with its own class for the one proxy."""

    def __init__(self) -> None:
        self.watch(0)

    def watch(self, seconds: int) -> None:
        """Looks after the proxy every so many seconds; 0 is never."""
        cfg.CONF.set_override("check_child_processes_interval", seconds, group="AGENT")
        self.monitor = external_process.ProcessMonitor(config=cfg.CONF, resource_type="MetadataPath")
        self.daemon = host_metadata_proxy.HostMedataHAProxyDaemonMonitor(
            self.monitor, user="neutron", group="neutron"
        )

    def serve(self, *instances: dict) -> None:
        """Writes the configuration and enables the proxy: started if it does not run, signalled (SIGHUP) if it does."""
        self.daemon.config(list(instances))
        self.daemon.enable()

    def extension(self) -> metadata_path.MetadataPathAgentExtension:
        """The extension itself, without the switch that it would set up."""
        extension = metadata_path.MetadataPathAgentExtension()
        extension.meta_daemon, extension.instance_infos = self.daemon, {}
        return extension

    def manager(self) -> external_process.ProcessManager:
        return self.daemon._get_proxy_process_manager()

    def end(self) -> None:
        self.monitor.stop()
        self.daemon.disable()
