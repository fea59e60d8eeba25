"""cloud-init reads its metadata through the gate: `cargo xtask test cloud-init`, or

    cargo xtask lab /usr/bin/python3 tests/cloud_init/run.py [--haproxy PATH] [WORD ...]

Uses Debian's cloud-init (its Python modules): the OpenStack data source, unchanged, inside the guest's namespace.
"""

import argparse
import json
import os
import pathlib
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

TOKENS = 8080
OTHERS = 8081
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
    addresses = f"10.0.0.11,{lab.GUEST_LINK_LOCAL}"
    agent = subprocess.Popen([sys.executable, str(HERE / "agent.py"), str(lab.SOCKET), NETWORK, addresses])
    if not lab.wait_until(lab.SOCKET.exists):
        raise RuntimeError("the metadata agent did not come up")
    return agent


def stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    lab.SOCKET.unlink(missing_ok=True)


def crawl(url: str = "http://169.254.169.254", wait: int = 10, script: str = "crawl.py") -> dict:
    command = ["ip", "netns", "exec", lab.GUEST, "/usr/bin/python3", str(HERE / script), url, str(wait)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    if done.returncode != 0:
        raise AssertionError(f"cloud-init failed:\n{done.stderr[-1500:]}")
    return json.loads(done.stdout)


def check(found: dict) -> None:
    assert found["uuid"] == "8d7e9f1c-51a2-4a3b-9c7e-6f4d2b1a0c33", found
    assert found["hostname"] == "guest.example", found
    assert found["version"] == 2, found


def cloud_init_reads_meta_data() -> None:
    found = crawl()
    check(found)
    assert found["meta"] == {"role": "web"}, found


def cloud_init_reads_user_data() -> None:
    assert crawl()["userdata"].startswith("#cloud-config"), "user data"


def cloud_init_reads_vendor_data() -> None:
    assert crawl()["vendordata"].startswith("#cloud-config"), "vendor data"


def cloud_init_reads_the_network_configuration() -> None:
    network = crawl()["network"]
    assert network["config"][0]["mac_address"] == "fa:16:3e:00:00:01", network
    assert network["config"][0]["subnets"][0]["type"] == "dhcp4", network


def cloud_init_reads_the_ec2_metadata() -> None:
    assert crawl()["ec2"]["local-ipv4"] == "10.0.0.11"


def cloud_init_reads_over_link_local_ipv6() -> None:
    check(crawl("http://[fe80::a9fe:a9fe%25eth0]"))


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
        check(crawl(wait=60))
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
        assert "found no OpenStack metadata" in str(error) or "cloud-init failed" in str(error), error
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
    cloud_init_waits_for_an_agent_that_starts_late,
]
# haproxy has no guards: these are of nsgate alone.
GUARDED = [
    cloud_inits_ec2_source_asks_for_a_token_where_one_is_required,
    cloud_inits_openstack_source_has_no_token_and_finds_nothing_where_one_is_required,
    cloud_inits_openstack_source_passes_all_other_guards_at_once,
]


def main() -> int:
    global agent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=os.environ.get("NSGATE_HAPROXY", "target/dist/bin/haproxy"))
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    haproxy = os.path.abspath(options.haproxy)
    nsgate = pathlib.Path(haproxy).with_name("nsgate")
    cases = CASES + (GUARDED if nsgate.exists() else [])
    chosen = [case for case in cases if not options.words or any(word in case.__name__ for word in options.words)]
    print(f"suite cloud-init: {len(chosen)} cases of {haproxy}", flush=True)
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
