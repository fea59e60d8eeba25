"""Nova's own metadata service, as it is, on loopback: two databases of sqlite, no queue, no Keystone.

    real_nova.py make DIRECTORY     writes its databases, by Nova's own `nova-manage` and objects: once, before the tests
    real_nova.py serve DIRECTORY    serves `nova.wsgi.metadata` there, and writes what reaches it into DIRECTORY/seen

The instances are those of `ovn_node.py`. Nova asks Neutron for two lists of each instance, which are served here as well.
"""

import base64
import gzip
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import urllib.parse

from fake_nova import SECRET

PORT, NEUTRON_PORT = 8775, 19696
PROJECT, USER = "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60", "user"
NETWORK = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
IMAGE = "cedef40a-ed67-4d10-800e-17455edce175"
# By number of the guest: plain, gzipped, and binary.
USER_DATA = {
    1: b"#cloud-config\nhostname: guest-1\n",
    2: gzip.compress(b"#!/bin/sh\necho user data\n" * 20, mtime=0),
    3: bytes(range(256)) * 4,
}


def configure(place: pathlib.Path) -> None:
    """Paths of databases are relative: one of them stands in another."""
    shutil.copy(pathlib.Path(sys.prefix) / "etc/nova/api-paste.ini", place)
    (place / "nova.conf").write_text(
        f"[DEFAULT]\nhost = labhost\nlog_file = {place}/nova.log\nstate_path = {place}\ntransport_url = fake://\n"
        f"use_stderr = false\n[oslo_concurrency]\nlock_path = {place}\n[api]\ndhcp_domain =\n[database]\nconnection = sqlite:///cell1.db\n"
        "[api_database]\nconnection = sqlite:///api.db\n[cache]\nenabled = true\nbackend = oslo_cache.dict\n"
        f"[neutron]\nservice_metadata_proxy = true\nmetadata_proxy_shared_secret = {SECRET}\nauth_type = none\n"
        f"endpoint_override = http://127.0.0.1:{NEUTRON_PORT}\n"
    )


def make(place: pathlib.Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    configure(place)
    manage = [sys.executable, "-W", "ignore", "-c", "import sys; from nova.cmd.manage import main; sys.exit(main())"]
    for words in (
        ("api_db", "sync"),
        ("cell_v2", "map_cell0", "--database_connection", "sqlite:///cell0.db"),
        ("db", "sync"),
        ("cell_v2", "create_cell", "--name", "cell1"),
    ):
        subprocess.run([*manage, "--config-dir", place, *words], cwd=place, check=True)
    os.chdir(place)
    instances(place)


def instances(place: pathlib.Path) -> None:
    from nova import monkey_patch

    monkey_patch.patch(backend="threading")
    from nova import config, context, objects

    objects.register_all()
    config.parse_args(["nova", "--config-dir", str(place)], default_config_files=[str(place / "nova.conf")])
    admin = context.get_admin_context()
    cell = next(cell for cell in objects.CellMappingList.get_all(admin) if cell.name == "cell1")
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000 guest"
    key = objects.KeyPair(admin, user_id=USER, name="key", fingerprint="aa:bb", public_key=public, type="ssh")
    key.create()
    for number in USER_DATA:
        uuid = f"abcdef00-0000-4000-8000-{number:012x}"
        mapping = {"instance_uuid": uuid, "project_id": PROJECT, "user_id": USER, "cell_mapping": cell}
        objects.InstanceMapping(admin, **mapping).create()
        with context.target_cell(admin, cell) as there:
            instance(there, number, uuid, key)


def instance(there, number: int, uuid: str, key) -> None:
    """An instance that runs, with one port."""
    from nova import objects
    from nova.network import model

    flavor = objects.Flavor(
        there, id=1, name="m1.tiny", flavorid="1", memory_mb=512, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0,
        rxtx_factor=1.0, vcpu_weight=1, disabled=False, is_public=True, extra_specs={}, projects=[],
    )  # fmt: skip
    made = objects.Instance(
        there, uuid=uuid, user_id=USER, project_id=PROJECT, hostname=f"guest-{number}", display_name=f"guest-{number}",
        host="labhost", image_ref=IMAGE, instance_type_id=1, memory_mb=512, vcpus=1, root_gb=1, ephemeral_gb=0,
        vm_state="active", launch_index=0, reservation_id="r-abcdefgh", availability_zone="nova", key_name=key.name,
        key_data=key.public_key, user_data=base64.b64encode(USER_DATA[number]).decode(), metadata={"role": "web"},
        system_metadata={}, flavor=flavor, old_flavor=None, new_flavor=None, ephemeral_key_uuid=None,
        security_groups=objects.SecurityGroupList(objects=[]), root_device_name="/dev/vda",
        keypairs=objects.KeyPairList(objects=[key]),
    )  # fmt: skip
    made.create()
    address = model.FixedIP(address=f"10.0.0.{number + 10}")
    gateway = model.IP("10.0.0.1", type="gateway")
    subnet = model.Subnet(cidr="10.0.0.0/24", gateway=gateway, dns=[], ips=[address], routes=[], version=4)
    network = model.Network(
        id=NETWORK, bridge="br-int", label="network", subnets=[subnet], mtu=1450, injected=False, tenant_id=PROJECT
    )
    port = {"id": f"abc00000-0000-4000-8000-{number:012x}", "address": f"fa:16:3e:00:00:{number:02x}"}
    made.info_cache.network_info = model.NetworkInfo([model.VIF(**port, network=network, type="ovs", active=True)])
    made.info_cache.save()
    objects.BlockDeviceMapping(
        there, instance_uuid=uuid, source_type="image", destination_type="local", device_name="/dev/vda", boot_index=0,
        device_type="disk", no_device=False, image_id=IMAGE,
    ).create()  # fmt: skip


class Neutron(http.server.BaseHTTPRequestHandler):
    """The two lists that Nova's metadata service asks Neutron for: the groups of an instance's ports."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        devices = urllib.parse.parse_qs(url.query).get("device_id", [])
        ports = [{"id": f"port-{device}", "device_id": device, "security_groups": ["group"]} for device in devices]
        groups = [{"id": "group", "name": "default", "project_id": PROJECT, "security_group_rules": []}]
        body = json.dumps({"ports": ports} if url.path.endswith("/ports") else {"security_groups": groups}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Recorded:
    """What reaches the application, a line of JSON for each request."""

    def __init__(self, application, log) -> None:
        self.application, self.log = application, log

    def __call__(self, environ, start):
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        headers = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            headers.update({name: environ[name]} if environ.get(name) else {})
        seen = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "headers": headers,
            "body": body.decode("latin-1"),
        }
        self.log.write(json.dumps(seen) + "\n")
        return self.application(environ, start)


def serve(place: pathlib.Path) -> None:
    configure(place)
    os.chdir(place)
    os.environ["OS_NOVA_CONFIG_DIR"] = str(place)
    sys.argv = ["nova-api-metadata"]
    neutron = http.server.ThreadingHTTPServer(("127.0.0.1", NEUTRON_PORT), Neutron)
    threading.Thread(target=neutron.serve_forever, daemon=True).start()
    import waitress
    from nova.wsgi.metadata import application

    with open(place / "seen", "w", buffering=1) as log:
        # X-Forwarded-For is Nova's to read, and no trusted proxy's of the server.
        waitress.serve(
            Recorded(application, log), host="127.0.0.1", port=PORT, threads=4, clear_untrusted_proxy_headers=False
        )


if __name__ == "__main__":
    {"make": make, "serve": serve}[sys.argv[1]](pathlib.Path(sys.argv[2]).absolute())
