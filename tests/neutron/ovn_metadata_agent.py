"""Neutron's `neutron-ovn-metadata-agent`, as it is, on a host without Open vSwitch. `cargo xtask bench agent` measures it.

    ovn_metadata_agent.py REMOTE CHASSIS SOCKET NOVA_PORT SECRET STATE

The agent, its database client, its events, its server and its handler are Neutron's own. It reads two values of the host's Open
vSwitch, the name of the chassis and that of the bridge: they are given here. It makes no namespace where a network's metadata port
has no MAC address, and the measured networks' has none.
"""
import sys

from neutron.agent.ovn.metadata import agent
from neutron.agent.ovn.metadata import ovsdb
from neutron.common import config
from neutron.conf.agent.metadata import config as meta
from neutron.conf.agent.ovn.metadata import config as ovn_meta
from neutron.conf.plugins.ml2.drivers.ovn import ovn_conf
from oslo_config import cfg

REMOTE, CHASSIS, SOCKET, NOVA_PORT, SECRET, STATE = sys.argv[1:]


class OpenVSwitch:
    """In place of the host's Open vSwitch: the `external_ids` that ovn-controller is started with."""

    def start(self) -> 'OpenVSwitch':
        return self

    def db_get(self, table: str, record: str, column: str) -> 'OpenVSwitch':
        return self

    def execute(self, **_: object) -> dict[str, str]:
        return {'system-id': CHASSIS, 'ovn-bridge': 'br-int'}


# As `neutron.cmd.agents.ovn_metadata` does.
config.register_common_config_options()
ovn_conf.register_opts()
for options, group in (
    (meta.SHARED_OPTS, None),
    (meta.UNIX_DOMAIN_METADATA_PROXY_OPTS, None),
    (meta.METADATA_PROXY_HANDLER_OPTS, None),
    (meta.METADATA_RATE_LIMITING_OPTS, meta.RATE_LIMITING_GROUP),
    (meta.METADATA_HAPROXY_OPTS, meta.HAPROXY_GROUP),
    (ovn_meta.OVS_OPTS, 'ovs'),
):
    ovn_meta.register_meta_conf_opts(options, **({'group': group} if group else {}))
config.init([])
for name, value in (
    ('state_path', STATE),
    ('metadata_proxy_socket', SOCKET),
    ('metadata_proxy_shared_secret', SECRET),
    ('nova_metadata_host', '127.0.0.1'),
    ('nova_metadata_port', int(NOVA_PORT)),
    ('log_file', STATE + '/agent.log'),
):
    cfg.CONF.set_override(name, value)
cfg.CONF.set_override('ovn_sb_connection', [REMOTE], 'ovn')
# The list of namespaces is read here and not by a daemon with root's rights: one process less.
cfg.CONF.set_override('use_helper_for_ns_read', False, 'AGENT')
config.setup_logging()
ovsdb.MetadataAgentOvsIdl = OpenVSwitch
agent.MetadataAgent(cfg.CONF).start()
