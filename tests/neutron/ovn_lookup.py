"""Neutron's own answer to who asks: the look-up of its OVN metadata agent, on a real southbound database.

ovn_lookup.py REMOTE CHASSIS: reads a line and writes a line. To `copy` it copies the database, as the agent does when it starts, and says `copied`.
To a question, `NETWORK ADDRESS`, it says `INSTANCE PROJECT`, `none`, or `error NAME` where Neutron raises an exception.
"""
import sys
import warnings

warnings.simplefilter('ignore')
import webob
from oslo_config import cfg
from neutron.common import config
from neutron.conf.plugins.ml2.drivers.ovn import ovn_conf
from neutron.agent.ovn.metadata import ovsdb, server_socket

config.register_common_config_options()
ovn_conf.register_opts()
cfg.CONF([], project='neutron')
cfg.CONF.set_override('ovn_sb_connection', [sys.argv[1]], 'ovn')
TABLES = ('Encap', 'Port_Binding', 'Datapath_Binding', 'SB_Global', 'Chassis', 'Chassis_Private')
# What the agent makes for each request, without its socket.
handler = object.__new__(server_socket.MetadataProxyHandler)
for line in sys.stdin:
    if line == 'copy\n':
        server_socket.MetadataProxyHandler._sb_idl = ovsdb.MetadataAgentOvnSbIdl(chassis=sys.argv[2], tables=TABLES).start()
        print('copied', flush=True)
        continue
    network, address = line.split()
    request = webob.Request.blank('/', headers={'X-OVN-Network-ID': network, 'X-Forwarded-For': address})
    try:
        instance, project = handler._get_instance_and_project_id(request)
        # `handle` answers 404 to an instance that is empty.
        print(f'{instance} {project}' if instance else 'none', flush=True)
    except Exception as error:
        print('error', type(error).__name__, flush=True)
