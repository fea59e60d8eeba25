"""The cases: Neutron's drivers start the program, a guest asks, Neutron's agent answers. Each name is the promise."""

import json
import os
import pathlib
import random
import signal
import socket
import threading
import time
import unittest

import lab
import ports
from driver import IDENTITY, LOG, Networks, reset_options
from neutron.conf.agent.metadata import config as meta
from oslo_config import cfg

HOSTNAME = "/latest/meta-data/hostname"
OWN = f"host-of-{ports.GUEST.instance}"
TRACED = "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nTracestate: a=1\r\nBaggage: a=1\r\n"


class Case(unittest.TestCase):
    """An agent for the whole class, a fresh proxy for every case."""

    kind: str
    uuid = ports.NETWORK
    where: dict = {}
    spawn_options: dict = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.agent = lab.Agent(cls.kind)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.agent.end()

    def setUp(self) -> None:
        reset_options()
        self.networks = Networks(self.kind)
        self.addCleanup(self.networks.end)

    def spawn(self, **options) -> None:
        self.networks.spawn(self.uuid, **(self.spawn_options | options))
        if not self.networks.manager(self.uuid):
            self.fail(f"the driver gave up:\n{driver_log()}")
        self.assertTrue(self.networks.manager(self.uuid).active)

    def pid(self) -> int:
        return self.networks.manager(self.uuid).pid

    def get(self, path: str, headers: str = "", **where) -> lab.Response:
        return lab.get(path, headers, **(self.where | where))

    def assert_own_metadata(self, answer: lab.Response) -> None:
        self.assertEqual((answer.status, answer.text), (200, OWN))

    def assert_echo(self, answer: lab.Response) -> dict:
        self.assertEqual(answer.status, 200, answer.text)
        seen = json.loads(answer.body)
        self.assertEqual(seen["instance"], ports.GUEST.instance)
        return seen


def driver_log() -> str:
    lines = pathlib.Path(LOG).read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if "ERROR" in line or "WARN" in line)[-1500:]


class Basics:
    """Cases that hold for every kind of proxy."""

    def test_the_guest_gets_its_own_metadata(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_the_process_is_found_by_pid_file_and_command_line(self) -> None:
        self.spawn()
        manager = self.networks.manager(self.uuid)
        self.assertIn(self.uuid, manager.cmdline)
        self.assertTrue(os.path.isfile(manager.get_pid_file_name()))

    def test_the_spawn_returns_within_five_seconds(self) -> None:
        """The agent waits for both streams of the starter to be closed."""
        start = time.monotonic()
        self.spawn()
        self.assertLess(time.monotonic() - start, 5)

    def test_twenty_requests_on_one_connection(self) -> None:
        self.spawn()
        with lab.connect(**self.where) as stream:
            for _ in range(20):
                stream.send(lab.request(HOSTNAME))
                self.assert_own_metadata(stream.response())

    def test_http_1_0(self) -> None:
        self.spawn()
        with lab.connect(**self.where) as stream:
            stream.send(lab.request(HOSTNAME, version="1.0"))
            self.assert_own_metadata(stream.response())

    def test_a_404_is_passed_on(self) -> None:
        self.spawn()
        self.assertEqual(self.get("/status/404").status, 404)

    def test_a_404_without_a_body_is_passed_on(self) -> None:
        """The agent ends such an answer after the headers, without the blank line."""
        self.spawn()
        answer = self.get("/status/404/empty")
        self.assertEqual((answer.status, answer.body), (404, b""))

    def test_a_500_is_passed_on(self) -> None:
        self.spawn()
        self.assertEqual(self.get("/status/500").status, 500)

    def test_an_empty_answer(self) -> None:
        self.spawn()
        answer = self.get("/status/200/empty")
        self.assertEqual((answer.status, answer.body.strip()), (200, b""))

    def test_an_answer_of_3_megabytes(self) -> None:
        self.spawn()
        answer = self.get(f"/big/{3 * 1024 * 1024}")
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(answer.body), 3 * 1024 * 1024)
        self.assertEqual(answer.body[:32], b"0123456789abcdef" * 2)

    def test_an_unexpected_status_of_nova_becomes_502(self) -> None:
        """The agent raises and closes without a byte."""
        self.spawn()
        self.assertEqual(self.get("/status/418").status, 502)

    def test_a_guest_unknown_on_the_network_gets_the_agents_404(self) -> None:
        """The page has bare LF line ends throughout."""
        self.spawn()
        where = self.where | {"source": "fd00::12" if self.where.get("source", "").startswith("fd") else "10.0.0.99"}
        lab.ip(f"-n {lab.GUEST} addr replace {where['source']}/24 dev eth0")
        self.addCleanup(lab.ip, f"-n {lab.GUEST} addr del {where['source']}/24 dev eth0")
        answer = lab.get(HOSTNAME, **where)
        self.assertEqual(answer.status, 404)
        self.assertIn("Instance was not found", answer.text)

    def test_a_password_post(self) -> None:
        self.spawn()
        secret = random.randbytes(256).hex().encode()
        with lab.connect(**self.where) as stream:
            stream.send(lab.request("/openstack/2013-04-04/password", method="POST", body=secret))
            self.assertEqual(stream.response().status, 200)
        self.assertEqual(self.get("/openstack/2013-04-04/password").body, secret)

    def test_a_forged_x_forwarded_for_gets_the_guests_own_metadata(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME, f"X-Forwarded-For: {ports.NEIGHBOUR.address}\r\n"))

    def test_a_forged_x_forwarded_for_under_another_spelling(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME, f"x_forwarded_for: {ports.NEIGHBOUR.address}\r\n"))

    def test_forged_network_headers_get_the_guests_own_metadata(self) -> None:
        self.spawn()
        forged = "".join(
            f"{name}: {ports.OTHER_NETWORK}\r\n" for name in ("X-Neutron-Network-ID", "X-OVN-Network-ID")
        )
        self.assert_own_metadata(self.get(HOSTNAME, forged))

    def test_forged_network_headers_under_other_spellings(self) -> None:
        self.spawn()
        names = ("x_neutron_network_id", "X-NEUTRON_NETWORK-ID", "X_OVN_Network_ID", "x-ovn_network-id")
        self.assert_own_metadata(self.get(HOSTNAME, "".join(f"{n}: {ports.OTHER_NETWORK}\r\n" for n in names)))

    def test_forged_router_headers_get_the_guests_own_metadata(self) -> None:
        self.spawn()
        names = ("X-Neutron-Router-ID", "X_Neutron_Router_ID")
        self.assert_own_metadata(self.get(HOSTNAME, "".join(f"{n}: {ports.OTHER_ROUTER}\r\n" for n in names)))

    def test_forged_instance_headers_do_not_reach_nova(self) -> None:
        self.spawn()
        names = ("X-Instance-ID", "X-Instance-ID-Signature", "X-Tenant-ID")
        seen = self.assert_echo(self.get("/echo", "".join(f"{n}: {ports.VICTIM.instance}\r\n" for n in names)))
        self.assertNotIn(ports.VICTIM.instance, json.dumps(seen["headers"]))

    def test_a_guests_trace_context_does_not_reach_nova(self) -> None:
        self.spawn()
        seen = self.assert_echo(self.get("/echo", TRACED))
        self.assertFalse({"traceparent", "tracestate", "baggage"} & {name for name, _ in seen["headers"]})

    def test_identity_named_by_the_connection_header_stays(self) -> None:
        self.spawn()
        names = ", ".join(["close", "x-forwarded-for", *IDENTITY.values(), "X-Neutron-Router-ID"])
        with lab.connect(**self.where) as stream:
            stream.send(lab.request(HOSTNAME, f"Connection: {names}\r\n"))
            self.assert_own_metadata(stream.response())

    def test_5_kilobytes_of_client_headers_are_understood(self) -> None:
        """The agent reads 4,096 bytes, once."""
        self.spawn()
        headers = "".join(f"X-Client-{i}: {'a' * 90}\r\n" for i in range(50))
        self.assert_own_metadata(self.get(HOSTNAME, headers))

    def test_a_chunked_post_reaches_nova_whole(self) -> None:
        self.spawn()
        with lab.connect(**self.where) as stream:
            stream.send(lab.request("/echo", "Transfer-Encoding: chunked\r\n", method="POST"))
            stream.send(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
            seen = self.assert_echo(stream.response())
        self.assertEqual((seen["method"], seen["body"]), ("POST", "hello world"))

    def test_a_post_whose_body_comes_later_reaches_nova_whole(self) -> None:
        self.spawn()
        body = b"q" * 700
        whole = lab.request("/echo", method="POST", body=body)
        with lab.connect(**self.where) as stream:
            stream.send(whole[: -len(body)])
            time.sleep(0.3)
            stream.send(body)
            self.assertEqual(self.assert_echo(stream.response())["body"], body.decode())

    def test_a_slow_answer_is_waited_for(self) -> None:
        self.spawn()
        answer = self.get("/slow/3")
        self.assertEqual((answer.status, answer.body), (200, b"slow"))


class Lifecycle:
    """Starting, stopping and restarting, as the agent does it."""

    def test_destroy_ends_the_process_and_removes_its_files(self) -> None:
        self.spawn()
        pid, pid_file = self.pid(), self.networks.manager(self.uuid).get_pid_file_name()
        config = pathlib.Path(lab.STATE, f"{self.config_dir}/{self.uuid}.conf")
        self.assertTrue(config.is_file())
        start = time.monotonic()
        self.networks.destroy(self.uuid)
        self.assertTrue(lab.wait_until(lambda: not alive(pid), 1), "the process is still there after a second")
        self.assertLess(time.monotonic() - start, 2)
        self.assertFalse(os.path.exists(pid_file))
        self.assertFalse(config.exists())

    def test_a_new_proxy_on_the_same_address_at_once(self) -> None:
        """`disable()` does not wait for the old process: the next one may start while it ends."""
        self.spawn()
        for _ in range(5):
            self.networks.destroy(self.uuid)
            self.spawn()
            self.assert_own_metadata(self.get(HOSTNAME))

    def test_a_changed_configuration_restarts_the_proxy(self) -> None:
        self.spawn()
        before = self.pid()
        self.spawn()
        self.assertEqual(self.pid(), before, "an unchanged configuration restarts nothing")
        cfg.CONF.set_override("timeout_server", 61, group=meta.HAPROXY_GROUP)
        self.spawn()
        self.assertNotEqual(self.pid(), before)
        self.assertTrue(lab.wait_until(lambda: not alive(before), 1))
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_the_monitor_brings_a_killed_proxy_back(self) -> None:
        self.networks.watch(1)
        self.spawn()
        before = self.pid()
        os.kill(before, signal.SIGKILL)
        self.assertTrue(lab.wait_until(lambda: self.pid() not in (before, None) and alive(self.pid()), 10))
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_a_stale_pid_file_stops_nothing(self) -> None:
        path = pathlib.Path(lab.STATE, f"external/pids/{self.uuid}.pid.haproxy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("2\n")
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_the_log_line_carries_the_tag(self) -> None:
        with lab.log_socket() as log:
            self.spawn()
            self.get(HOSTNAME)
            lines = []
            while not any(HOSTNAME in line for line in lines):
                lines.append(log.recv(8192).decode())
        self.assertIn(f"haproxy-metadata-proxy-{self.uuid}[{self.pid()}]", lines[-1])
        self.assertTrue(lines[-1].startswith("<134>"), lines[-1])


class Trouble:
    """An agent that is away, restarts, or is asked by many at once."""

    def test_no_agent_gives_503(self) -> None:
        self.spawn()
        self.agent.tell("stop")
        self.addCleanup(self.agent.tell, "start")
        self.assertEqual(self.get(HOSTNAME, timeout=40).status, 503)

    def test_an_agent_that_starts_after_the_proxy_is_found(self) -> None:
        self.agent.tell("stop")
        lab.SOCKET.unlink(missing_ok=True)
        try:
            self.spawn()
        finally:
            self.agent.tell("start")
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_an_agent_restarted_under_load_costs_at_most_what_it_held(self) -> None:
        self.spawn()
        stop, outcomes = threading.Event(), []

        def guest() -> None:
            while not stop.is_set():
                try:
                    outcomes.append(self.get(HOSTNAME, timeout=40).status)
                except Exception as error:  # an outcome like any other
                    outcomes.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=guest) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.5)
            self.agent.tell("restart")
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
        lost = [outcome for outcome in outcomes if outcome != 200]
        self.assertGreater(len(outcomes), 50)
        self.assertTrue(set(lost) <= {502}, f"{lost} of {len(outcomes)}")
        self.assertLessEqual(len(lost), 3 * len(threads), "more lost than the agent can have held")

    def test_60_requests_at_once_none_lost(self) -> None:
        self.spawn()
        self.assertEqual(tally(lab.storm(60, HOSTNAME)), {"200": 60})

    def test_200_requests_at_once_none_lost(self) -> None:
        self.spawn()
        self.assertEqual(tally(lab.storm(200, HOSTNAME)), {"200": 200})


class Traces:
    def test_the_agent_itself_does_not_pass_a_trace_context_on(self) -> None:
        """What docs/audit.md says of Neutron's agents: they ask Nova with headers of their own alone."""
        head = f"GET /echo HTTP/1.1\r\n{IDENTITY[self.kind]}: {self.uuid}\r\nX-Forwarded-For: 10.0.0.11\r\n{TRACED}"
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(20)
            agent.connect(str(lab.SOCKET))
            agent.sendall(f"{head}Host: h\r\nConnection: close\r\n\r\n".encode())
            seen = json.loads(b"".join(iter(lambda: agent.recv(65536), b"")).partition(b"\r\n\r\n")[2])
        names = {name for name, _ in seen["headers"]}
        self.assertIn("x-instance-id-signature", names)
        self.assertFalse({"traceparent", "tracestate", "baggage"} & names, names)


class RateLimit:
    """The rate limiting Neutron configures."""

    def limit(self, version: int) -> None:
        cfg.CONF.set_override("rate_limit_enabled", True, group=meta.RATE_LIMITING_GROUP)
        cfg.CONF.set_override("ip_versions", [version], group=meta.RATE_LIMITING_GROUP)

    def test_ten_in_ten_seconds_then_429(self) -> None:
        self.limit(4)
        self.spawn()
        statuses = [self.get(HOSTNAME).status for _ in range(13)]
        self.assertEqual(statuses, [200] * 10 + [429] * 3)

    def test_a_neighbour_has_its_own_count(self) -> None:
        self.limit(4)
        self.spawn()
        for _ in range(12):
            self.get(HOSTNAME)
        answer = self.get(HOSTNAME, source=ports.NEIGHBOUR.address)
        self.assertEqual((answer.status, answer.text), (200, f"host-of-{ports.NEIGHBOUR.instance}"))

    def test_ipv6_is_limited_too(self) -> None:
        self.limit(6)
        self.spawn(v6=True)
        where = {"host": "fe80::a9fe:a9fe", "source": lab.GUEST_LINK_LOCAL}
        statuses = [self.get(HOSTNAME, **where).status for _ in range(13)]
        self.assertEqual(statuses, [200] * 10 + [429] * 3)


class LinkLocal:
    """Metadata over fe80::a9fe:a9fe: the agent finds the guest by the MAC address in its link-local address."""

    where = {"host": "fe80::a9fe:a9fe", "source": lab.GUEST_LINK_LOCAL}
    spawn_options = {"v6": True}

    def test_link_local_ipv6(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME))

    def test_ipv4_beside_ipv6(self) -> None:
        self.spawn()
        self.assert_own_metadata(lab.get(HOSTNAME))

    def test_a_forged_address_over_ipv6(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME, f"X-Forwarded-For: {ports.NEIGHBOUR.address}\r\n"))


class NeutronNetwork(Basics, Lifecycle, Trouble, Traces, RateLimit, Case):
    kind = "neutron"
    config_dir = "ns-metadata-proxy"


class NeutronNetworkOverIpv6(LinkLocal, Case):
    kind = "neutron"


class NeutronRouter(Basics, Lifecycle, Case):
    """A router's proxy listens on [::]:9697, for IPv4 and IPv6."""

    kind = "neutron"
    config_dir = "ns-metadata-proxy"
    uuid = ports.ROUTER
    where = {"host": "10.0.0.1", "port": 9697}
    spawn_options = {"router": True}

    def test_the_dual_stack_listener_serves_ipv6(self) -> None:
        self.spawn()
        self.assert_own_metadata(self.get(HOSTNAME, host="fd00::1", source="fd00::11"))


class OvnNetwork(Basics, Lifecycle, Trouble, Traces, RateLimit, Case):
    kind = "ovn"
    config_dir = "ovn-metadata-proxy"


class OvnNetworkOverIpv6(LinkLocal, Case):
    kind = "ovn"


def alive(pid: int) -> bool:
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def tally(outcomes: list[str]) -> dict[str, int]:
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


CLASSES = [NeutronNetwork, NeutronNetworkOverIpv6, NeutronRouter, OvnNetwork, OvnNetworkOverIpv6]
