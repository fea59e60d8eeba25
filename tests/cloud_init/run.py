"""cloud-init reads its metadata through the gate: `cargo xtask test cloud-init`, or

    cargo xtask lab /usr/bin/python3 tests/cloud_init/run.py [--haproxy PATH] [--cloud-init DIRECTORY] [WORD ...]

Uses Debian's cloud-init (its Python modules): the OpenStack data source, unchanged, inside the guest's namespace.
DIRECTORY holds those of another release. Each case says by which of its addresses the guest must have asked.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "neutron"))

import lab  # noqa: E402

NETWORK = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
CONFIG = f"""
global
    log         /dev/log local0 info
    log-tag     haproxy-metadata-proxy-{NETWORK}
    user        neutron
    group       neutron
    maxconn     1024
    nbthread    2
    pidfile     {lab.STATE}/gate.pid
    daemon

defaults
    log global
    mode http
    option httplog
    option dontlognull
    option http-server-close
    option forwardfor
    retries                 3
    timeout http-request    30s
    timeout connect         30s
    timeout client          32s
    timeout server          32s
    timeout http-keep-alive 30s

listen listener
    bind 169.254.169.254:80
    bind [fe80::a9fe:a9fe]:80 interface {lab.TAP}
    server metadata {lab.SOCKET}

    http-request del-header X-Neutron-Router-ID
    http-request set-header X-Neutron-Network-ID {NETWORK}
"""

V4, V6 = "10.0.0.11", lab.GUEST_LINK_LOCAL
REQUESTS = lab.STATE / "requests"
TOKENS = 8080
OTHERS = 8081
ENVIRONMENT = dict(os.environ)
GUARDS = {
    TOKENS: 'tokens = "required"',
    OTHERS: """
refuse_forwarded = true
hosts = ["169.254.169.254"]
tokens = "optional"
methods = ["GET"]
paths = ["/openstack/", "/latest/"]
expiring = { names = ["user_data", "user-data"], after = "10m" }
hop_limit = 1
""",
}


def start_guarded(nsgate: str, port: int) -> None:
    """A gate with guards, beside the one that Neutron would have started."""
    config = lab.STATE / f"{port}.toml"
    config.write_text(
        f"""
network_id = "{NETWORK}"
listen = ["169.254.169.254:{port}"]
backend = "{lab.SOCKET}"
user = "neutron"
group = "neutron"
daemon = true
pid_file = "{lab.STATE}/{port}.pid"
[guards]
{GUARDS[port]}
"""
    )
    subprocess.run(["ip", "netns", "exec", lab.GATE, nsgate, "run", "--config", str(config)], check=True, timeout=20)


def start_agent() -> subprocess.Popen:
    arguments = [str(lab.SOCKET), NETWORK, f"{V4},{V6}", str(REQUESTS)]
    agent = subprocess.Popen([sys.executable, str(HERE / "agent.py"), *arguments])
    if not lab.wait_until(lab.SOCKET.exists):
        raise RuntimeError("the metadata agent did not come up")
    return agent


def stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    lab.SOCKET.unlink(missing_ok=True)


def asked() -> dict[str, set[str]]:
    """By which of its addresses the guest has asked for what ("openstack", "latest", …) since this was called last."""
    seen: dict[str, set[str]] = {}
    for line in REQUESTS.read_text().splitlines() if REQUESTS.exists() else []:
        address, path = line.split()
        seen.setdefault(path.split("/")[1], set()).add(address)
    REQUESTS.write_text("")
    return seen


def crawl(*url: str, wait: int = 10, script: str = "crawl.py", by: str = V4) -> dict:
    """What cloud-init finds. It must have asked for OpenStack's metadata from the address `by`, and for EC2's by IPv4, which
    is the one address that the OpenStack source has for it."""
    asked()
    command = ["ip", "netns", "exec", lab.GUEST, "/usr/bin/python3", str(HERE / script), str(wait), "eth0", *url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=ENVIRONMENT)
    if done.returncode != 0:
        raise AssertionError(f"cloud-init failed:\n{done.stderr[-1500:]}")
    way = asked()
    if script == "crawl.py":
        openstack = way.pop("openstack", set())
        assert openstack == {by}, f"OpenStack's metadata was asked for by {openstack}, expected {by} alone"
    else:
        assert way, "the agent was not asked"
    assert all(addresses == {V4} for addresses in way.values()), f"EC2's metadata was asked for by {way}"
    return json.loads(done.stdout)


def crawl_v4(**more) -> dict:
    return crawl("http://169.254.169.254", **more)


def version() -> tuple[int, ...]:
    code = "from cloudinit import version; print(version.version_string())"
    text = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    return tuple(int(part) for part in re.findall(r"\d+", text.stdout)[:2])


def check(found: dict) -> None:
    assert found["uuid"] == "8d7e9f1c-51a2-4a3b-9c7e-6f4d2b1a0c33", found
    assert found["hostname"] == "guest.example", found
    assert found["version"] == 2, found


def cloud_init_reads_meta_data() -> None:
    found = crawl_v4()
    check(found)
    assert found["meta"] == {"role": "web"}, found


def cloud_init_reads_user_data() -> None:
    assert crawl_v4()["userdata"].startswith("#cloud-config"), "user data"


def cloud_init_reads_vendor_data() -> None:
    assert crawl_v4()["vendordata"].startswith("#cloud-config"), "vendor data"


def cloud_init_reads_the_network_configuration() -> None:
    network = crawl_v4()["network"]
    assert network["config"][0]["mac_address"] == "fa:16:3e:00:00:01", network
    assert network["config"][0]["subnets"][0]["type"] == "dhcp4", network


def cloud_init_reads_the_ec2_metadata() -> None:
    assert crawl_v4()["ec2"]["local-ipv4"] == "10.0.0.11"


def cloud_init_reads_over_link_local_ipv6() -> None:
    # 22.4 throws an escaped zone out, because no resolver knows it, and asks its default list instead.
    zone = "%25eth0" if version() >= (23, 1) else "%eth0"
    url = f"http://[fe80::a9fe:a9fe{zone}]"
    found = crawl(url, by=V6)
    check(found)
    assert found["address"] == url, found


def cloud_init_reads_over_link_local_ipv6_where_the_network_has_no_ipv4() -> None:
    """By its own list of addresses, as a guest without IPv4 does."""
    lab.ip(f"-n {lab.GUEST} addr flush dev eth0 scope global")
    try:
        found = crawl(by=V6)
    finally:
        for address in ("10.0.0.11/24", "10.0.0.12/24", "fd00::11/64 nodad"):
            first, *rest = address.split()
            lab.ip(f"-n {lab.GUEST} addr add {first} dev eth0 {' '.join(rest)}")
        lab.ip(f"-n {lab.GUEST} route add 169.254.169.254/32 via 10.0.0.1")
    check(found)
    assert found["address"] == "http://[fe80::a9fe:a9fe%25eth0]", found


def cloud_init_asks_by_its_own_list_of_addresses() -> None:
    """The first of the list that answers: IPv4 alone in 22.4, link-local IPv6 first since 23.1."""
    newer = version() >= (23, 1)
    found = crawl(by=V6 if newer else V4)
    check(found)
    assert ("fe80" in found["address"]) == newer, found


def cloud_init_waits_for_an_agent_that_starts_late() -> None:
    global agent
    stop(agent)

    def later() -> None:
        global agent
        time.sleep(4)
        agent = start_agent()

    thread = threading.Thread(target=later)
    thread.start()
    try:
        check(crawl_v4(wait=60))
    finally:
        thread.join()


def cloud_inits_ec2_source_asks_for_a_token_where_one_is_required() -> None:
    found = crawl(f"http://169.254.169.254:{TOKENS}", script="crawl_ec2.py")
    assert found["metadata"]["instance-id"] == "i-00000001", found
    assert found["metadata"]["local-ipv4"] == "10.0.0.11", found
    assert found["userdata"].startswith("#cloud-config"), found
    assert len(found["token"]) == 82, found


def cloud_inits_openstack_source_has_no_token_and_finds_nothing_where_one_is_required() -> None:
    try:
        found = crawl(f"http://169.254.169.254:{TOKENS}", wait=1)
    except AssertionError as error:
        assert "found no OpenStack metadata" in str(error), error
        assert asked() == {}, "the agent was asked without a token"
        return
    raise AssertionError(f"without a token: {found}")


def cloud_inits_openstack_source_passes_all_other_guards_at_once() -> None:
    found = crawl(f"http://169.254.169.254:{OTHERS}")
    check(found)
    assert found["userdata"].startswith("#cloud-config"), found
    assert found["ec2"]["local-ipv4"] == "10.0.0.11", found


CASES = [
    cloud_init_reads_meta_data,
    cloud_init_reads_user_data,
    cloud_init_reads_vendor_data,
    cloud_init_reads_the_network_configuration,
    cloud_init_reads_the_ec2_metadata,
    cloud_init_reads_over_link_local_ipv6,
    cloud_init_asks_by_its_own_list_of_addresses,
    cloud_init_waits_for_an_agent_that_starts_late,
]
# cloud-init's own list has no IPv6 before 23.1.
NEWER = [cloud_init_reads_over_link_local_ipv6_where_the_network_has_no_ipv4]
# haproxy has no guards: these are of nsgate alone.
GUARDED = [
    cloud_inits_ec2_source_asks_for_a_token_where_one_is_required,
    cloud_inits_openstack_source_has_no_token_and_finds_nothing_where_one_is_required,
    cloud_inits_openstack_source_passes_all_other_guards_at_once,
]


def main() -> int:
    global agent, ENVIRONMENT
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=os.environ.get("NSGATE_HAPROXY", "target/dist/bin/haproxy"))
    parser.add_argument("--cloud-init", help="where another release's modules are")
    lab.add_words(parser)
    options = parser.parse_args()
    haproxy = os.path.abspath(options.haproxy)
    nsgate = pathlib.Path(haproxy).with_name("nsgate")
    if options.cloud_init:
        ENVIRONMENT = os.environ | {"PYTHONPATH": os.path.abspath(options.cloud_init)}
    release = version()
    cases = CASES + (NEWER if release >= (23, 1) else []) + (GUARDED if nsgate.exists() else [])
    chosen = lab.chosen("cloud-init", cases, options, lambda case: case.__name__)
    print(f"suite cloud-init {'.'.join(map(str, release))}: {len(chosen)} cases of {haproxy}", flush=True)
    lab.STATE.mkdir(parents=True, exist_ok=True)
    lab.make_network()
    config = lab.STATE / f"{NETWORK}.conf"
    config.write_text(CONFIG)
    agent = start_agent()
    subprocess.run(["ip", "netns", "exec", lab.GATE, haproxy, "-f", str(config)], check=True, timeout=20)
    ports = GUARDS if nsgate.exists() else []
    for port in ports:
        start_guarded(str(nsgate), port)
    passed = failed = 0
    for case in chosen:
        start = time.monotonic()
        try:
            case()
            passed += 1
            word = "ok"
        except Exception as error:  # a failed case, whatever it was
            failed += 1
            word = "FAILED"
            reason = str(error)
        print(f"test {case.__name__} ... {word} ({time.monotonic() - start:.2f} s)", flush=True)
        if word == "FAILED":
            print("\n".join(f"    | {line}" for line in reason.splitlines()), flush=True)
    for name in ["gate", *ports]:
        os.kill(int((lab.STATE / f"{name}.pid").read_text()), 15)
    stop(agent)
    print(f"cloud-init: {passed} passed, {failed} failed, 0 skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
