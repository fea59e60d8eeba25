#!/bin/sh
# The Python library ec2-metadata repeats a session token (IMDSv2) that the service answers with 401: it asks for another one only
# six hours after the first, or when the program calls clear_all(). A service that loses its tokens at a restart takes metadata
# away from such a program for hours. botocore asks for a token before each retrieval and never notices. One would expect 401 to
# be a reason to ask anew.
# Seen with ec2-metadata 3.0.0 and botocore 1.40.0, in a network namespace of the script's own.
set -eu
if [ -z "${FOLDER:-}" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" -q install ec2-metadata==3.0.0 botocore==1.40.0
    echo "version: ec2-metadata 3.0.0, botocore 1.40.0, $("$folder/venv/bin/python" --version)"
    FOLDER=$folder unshare --net sh "$(realpath "$0")"
    exit
fi
cd "$FOLDER"
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
cat > run.py <<'PYTHON'
import http.server, itertools, json, threading

good, asked, numbers = [""], [], itertools.count(1)
ROLE = {"Code": "Success", "AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2099-01-01T00:00:00Z"}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        good[0] = "token%d" % next(numbers)
        asked.append("PUT")
        self.say(200, good[0])

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != good[0]:
            asked.append("401")
            return self.say(401)
        asked.append("200")
        if self.path.endswith("security-credentials/"):
            return self.say(200, "role")
        self.say(200, json.dumps(ROLE) if "security-credentials" in self.path else "i-00000001")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("169.254.169.254", 80), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()


def restarted():
    good[0] = "none of those that were given out"
    asked.clear()


import urllib3
from botocore.utils import InstanceMetadataFetcher
from ec2_metadata import ec2_metadata

assert ec2_metadata.instance_id == "i-00000001"
restarted()
for _ in range(3):
    try:
        ec2_metadata.ami_id
        raise SystemExit("changed: ec2-metadata has an answer with a void token")
    except urllib3.exceptions.HTTPError as error:
        print("seen: ec2-metadata raises", error)
assert asked == ["401", "401", "401"], asked
ec2_metadata.clear_all()
assert ec2_metadata.ami_id == "i-00000001" and asked[-2:] == ["PUT", "200"], asked
print("seen: after clear_all() it asks for a token")

fetcher = InstanceMetadataFetcher(timeout=2, num_attempts=1)
assert fetcher.retrieve_iam_role_credentials()["role_name"] == "role"
restarted()
assert fetcher.retrieve_iam_role_credentials()["role_name"] == "role"
assert asked == ["PUT", "200", "200"], asked
print("seen: botocore asks for a token at each retrieval:", " ".join(asked))
PYTHON
echo "behaviour: after the service has lost its tokens, ec2-metadata repeats a void one and botocore does not notice"
venv/bin/python run.py
