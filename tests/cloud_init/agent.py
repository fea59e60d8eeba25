"""A small OpenStack metadata agent on a UNIX socket, for one instance: agent.py SOCKET NETWORK ADDRESS,… LOG.

LOG gets a line for each request: the address that the gate gave for the guest, a blank, the path.
"""

import http.server
import json
import os
import socketserver
import sys

SOCKET, NETWORK, ADDRESSES, LOG = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4]
UUID = "8d7e9f1c-51a2-4a3b-9c7e-6f4d2b1a0c33"
FILES = {
    "/openstack": "2015-10-15\n2018-08-27\nlatest",
    "/openstack/2018-08-27/meta_data.json": json.dumps(
        {"uuid": UUID, "hostname": "guest.example", "name": "guest", "meta": {"role": "web"}}
    ),
    "/openstack/2018-08-27/user_data": "#cloud-config\nhostname: guest\n",
    "/openstack/2018-08-27/vendor_data.json": json.dumps({"cloud-init": "#cloud-config\n{}\n"}),
    "/openstack/2018-08-27/network_data.json": json.dumps(
        {
            "links": [{"id": "tap0", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 1450}],
            "networks": [{"id": "n0", "type": "ipv4_dhcp", "link": "tap0", "network_id": NETWORK}],
            "services": [],
        }
    ),
    "/latest/meta-data/": "hostname\ninstance-id\nlocal-ipv4",
    "/latest/meta-data/hostname": "guest.example",
    "/latest/meta-data/instance-id": "i-00000001",
    "/latest/meta-data/local-ipv4": "10.0.0.11",
}
# The EC2 data source asks for the oldest version that it knows.
for path in [path for path in FILES if path.startswith("/latest/")]:
    FILES[path.replace("/latest/", "/2009-04-04/")] = FILES[path]
FILES["/2009-04-04/dynamic/instance-identity"] = ""
FILES["/2009-04-04/user-data"] = FILES["/openstack/2018-08-27/user_data"]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with open(LOG, "a") as log:
            log.write(f"{self.headers.get('X-Forwarded-For')} {self.path}\n")
        known = self.headers.get("X-Neutron-Network-ID") == NETWORK
        known = known and self.headers.get("X-Forwarded-For") in ADDRESSES
        # Session tokens are between guest and gate.
        known = known and not any("token" in name.lower() for name in self.headers)
        body = FILES.get(self.path, FILES.get(self.path.rstrip("/"))) if known else None
        self.send_response(404 if body is None else 200)
        payload = (body or "").encode()
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A guest that has gone is no error of the agent's."""


server = Server(SOCKET, Handler)
os.chmod(SOCKET, 0o666)
server.serve_forever()
