"""Keystone's API server with a database of its own.

identity.py FOLDER PORT USER PASSWORD SECONDS: makes user, project `service` and the usual roles below FOLDER, serves the API on a port of loopback
(`keystone.wsgi.api`), and says `serves`. A token lasts SECONDS.
"""
import os
import pathlib
import sys
import threading
import warnings

warnings.simplefilter('ignore')
FOLDER, PORT, USER, PASSWORD, SECONDS = pathlib.Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
CONFIG = FOLDER / 'keystone.conf'
CONFIG.write_text(f'''
[database]
connection = sqlite:///{FOLDER}/keystone.sqlite
[token]
expiration = {SECONDS}
[fernet_tokens]
key_repository = {FOLDER}/fernet
[fernet_receipts]
key_repository = {FOLDER}/fernet
[credential]
key_repository = {FOLDER}/fernet
[cache]
enabled = false
''')
os.environ['OS_KEYSTONE_CONFIG_FILES'] = str(CONFIG)
sys.argv = ['keystone']
# The words of the protocol alone go to standard output.
words = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)

from cryptography.fernet import Fernet

(FOLDER / 'fernet').mkdir(mode=0o700)
for number in '01':
    (FOLDER / 'fernet' / number).write_bytes(Fernet.generate_key())

import serving
from keystone.wsgi import api
from keystone.cmd import bootstrap
from keystone.common import sql

with sql.session_for_write() as session:
    sql.ModelBase.metadata.create_all(session.get_bind())
# The application has loaded them.
bootstrap.backends.load_backends = dict
make = bootstrap.Bootstrapper()
make.admin_username, make.admin_password, make.project_name, make.admin_role_name = USER, PASSWORD, 'service', 'admin'
make.region_id, make.service_name = 'one', 'keystone'
# Neutron asks at the internal one whether a token is good.
make.public_url = make.internal_url = f'http://127.0.0.1:{PORT}/v3'
make.bootstrap()
serving.serve(PORT, api.application)
print('serves', file=words, flush=True)
threading.Event().wait()
