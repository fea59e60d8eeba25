#!/bin/sh
# cloud-init's OpenStack source that finds its metadata at the link-local IPv6 address asks for the EC2 part at 169.254.169.254
# all the same: on a network without IPv4 the instance has user data and no EC2 metadata (public keys of that format, block devices),
# and each boot waits for the refusals. One would expect the address that answered to be used for both.
# Seen with cloud-init 22.4.2 of Debian 12, in network namespaces of the script's own.
set -eu
python=/usr/bin/python3
if [ -z "${FOLDER:-}" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
    apt-get -q download cloud-init >/dev/null 2>&1 || { apt-get update >/dev/null; apt-get -q download cloud-init >/dev/null 2>&1; }
    echo "version: cloud-init $(dpkg-deb --field cloud-init_*.deb Version), $($python --version)"
    dpkg-deb --extract cloud-init_*.deb files
    modules=$($python -c 'import yaml, jinja2, requests, configobj, jsonschema, oauthlib' 2>&1) ||
        { echo "$modules"; echo "apt-get install --no-install-recommends cloud-init brings what it imports"; exit 2; }
    FOLDER=$folder unshare --net sh "$(realpath "$OLDPWD/$0" 2>/dev/null || echo "$0")"
    exit
fi
cd "$FOLDER"
ip link set lo up
ip link add meta type veth peer name other
ip link set other up
ip addr add 169.254.169.254/32 dev meta
ip addr add fe80::a9fe:a9fe/64 dev meta nodad
ip link set meta up
cat > run.py <<'PYTHON'
import http.server, json, logging, socket, threading
from cloudinit import helpers
from cloudinit.sources import DataSourceOpenStack

logging.disable(logging.CRITICAL)
seen = []
FILES = {
    "/openstack": "2018-08-27\nlatest",
    "/openstack/2018-08-27/meta_data.json": json.dumps({"uuid": "8d7e9f1c-51a2-4a3b-9c7e-6f4d2b1a0c33", "hostname": "guest.example"}),
    "/latest/meta-data/": "instance-id",
    "/latest/meta-data/instance-id": "i-00000001",
}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        family = "IPv6" if self.connection.family == socket.AF_INET6 and "169.254" not in self.connection.getsockname()[0] else "IPv4"
        seen.append((family, self.path.split("/")[1]))
        body = FILES.get(self.path, FILES.get(self.path.rstrip("/")))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or "")))
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass

class Six(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

for server in (http.server.ThreadingHTTPServer(("169.254.169.254", 80), Handler), Six(("fe80::a9fe:a9fe", 80, 0, socket.if_nametoindex("meta")), Handler)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
DataSourceOpenStack.detect_openstack = lambda **_: True  # the machine's DMI tables would say so
settings = {"datasource_list": ["OpenStack"], "datasource": {"OpenStack": {"metadata_urls": ["http://[fe80::a9fe:a9fe%meta]"], "max_wait": 10, "timeout": 5, "retries": 0}}}
source = DataSourceOpenStack.DataSourceOpenStack(settings, None, helpers.Paths({"cloud_dir": "cloud", "run_dir": "cloud"}))
assert source._get_data()
source.ec2_metadata
print("found at", source.metadata_address)
for what in sorted(set(seen)):
    print(*what)
PYTHON
PYTHONPATH=files/usr/lib/python3/dist-packages $python run.py > seen
cat seen
[ "$(tail -n +2 seen)" = "IPv4 latest
IPv6 openstack" ] || { echo "this has changed"; exit 1; }
