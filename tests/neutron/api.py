"""Neutron's API server, and its metadata agent's own answer to who asks, in one process with one database.

api.py FOLDER PORT: serves the API on a port of loopback (`neutron.wsgi.api`, ML2 with Open vSwitch, routers, sqlite below FOLDER, `auth_strategy` from
FOLDER/neutron.conf), and says `serves`. Then it reads a line and writes a line: to `network UUID ADDRESS` or `router UUID ADDRESS` it says
`INSTANCE PROJECT` or `none`, as the code of the agent finds it over RPC (`fake://`: the messages stay in this process), or `error NAME` where
that raises an exception.
"""
import os
import pathlib
import sys
import warnings

warnings.simplefilter('ignore')
FOLDER, PORT = pathlib.Path(sys.argv[1]), int(sys.argv[2])
os.environ['OS_NEUTRON_CONFIG_DIR'] = str(FOLDER)
os.environ['OS_NEUTRON_CONFIG_FILES'] = 'neutron.conf'
sys.argv = ['neutron-api']
# The words of the protocol alone go to standard output.
words = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)

import serving
import sqlalchemy.orm
import webob
from neutron.db.migration.models import head

# As the unit tests of Neutron make them: its migrations are not for sqlite.
head.get_metadata().create_all(sqlalchemy.create_engine(f'sqlite:///{FOLDER}/neutron.sqlite'))
sqlalchemy.orm.configure_mappers()
from neutron.wsgi import api
from neutron.agent.metadata import agent
from neutron_lib.plugins import directory

directory.get_plugin().start_rpc_listeners()
serving.serve(PORT, api.application)
# What the agent makes for each request, without its socket.
handler = object.__new__(agent.MetadataProxyHandler)
handler.plugin_rpc = agent.MetadataPluginAPI(agent.topics.PLUGIN)
handler.context = agent.context.get_admin_context_without_session()
print('serves', file=words, flush=True)
for line in sys.stdin:
    place, name, address = line.split()
    header = {'network': handler.NETWORK_ID_HEADER, 'router': handler.ROUTER_ID_HEADER}[place]
    request = webob.Request.blank('/', headers={header: name, 'X-Forwarded-For': address})
    try:
        instance, project = handler._get_instance_and_project_id(request)
        # `handle` answers 404 to an instance that is empty.
        print(f'{instance} {project}' if instance else 'none', file=words, flush=True)
    except Exception as error:
        print('error', type(error).__name__, file=words, flush=True)
