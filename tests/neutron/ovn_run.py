"""Runs the suite with real OVN in a private world: `cargo xtask test neutron`, or

    cargo xtask lab target/neutron/venv/bin/python tests/neutron/ovn_run.py --node target/debian/SUITE/ovn-node [WORD ...]

A guest that is a port of Open vSwitch asks; the gate is started by Neutron's own agent; the request goes to Nova by that agent's own
request handler, and then by `nsgate agent`.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import unittest
import warnings

warnings.simplefilter("ignore")

import lab
import ovn_node
from lines import Lines, name


class OvnCase(unittest.TestCase):
    """What all cases share: one node, and one agent of Neutron's."""

    node: ovn_node.Node
    agent: ovn_node.MetadataAgent
    haproxy: str
    guests: list[ovn_node.OvsGuest]

    def served(self, guest: ovn_node.OvsGuest, seconds: float = 30) -> lab.Response:
        """The first answer of a gate: it may be starting."""
        answers: list[lab.Response] = []

        def answered() -> bool:
            try:
                answers.append(guest.ask("/latest/meta-data/hostname"))
            except OSError:
                return False
            return answers[-1].status == 200

        self.assertTrue(lab.wait_until(answered, seconds), f"{answers[-1:]}: {self.agent.tell()}")
        return answers[-1]

    def restart_gates(self) -> None:
        """As an operator does after a change of the site: the process monitor of the agent starts them anew."""
        for gate in self.agent.gates():
            os.kill(gate, signal.SIGKILL)


# Requests, and what of a guest's answer may differ: the list of docs/agent.md.
REQUESTS = [
    ("GET", "/echo/openstack/latest/meta_data.json?a=%20b&c", "", b""),
    ("GET", "/echo/x", "Accept: application/json\r\nX-Instance-ID: evil\r\nX-Forwarded-For: 10.0.0.99\r\n", b""),
    ("GET", "/latest/meta-data/hostname", "", b""),
    ("GET", "/nothing", "", b""),
    ("GET", "/status/400", "", b""),
    ("GET", "/status/500", "", b""),
    ("GET", "/big/1048576", "", b""),
    ("POST", "/openstack/2013-04-04/password", "", b"secret"),
    ("GET", "/openstack/2013-04-04/password", "", b""),
]
# What the agents say differently, each an improvement of docs/agent.md: the status that a guest gets, and what else is seen.
DIFFERING = [
    ("POST", "/openstack/2013-04-04/password", b"\xff\x00", (502, None), (200, b"")),
    ("GET", "/binary", b"", (502, None), (200, b"\x1f\x8b\xff\x00no text")),
    ("HEAD", "/status/200", b"", (200, "0"), (200, "11")),
    ("GET", "/status/418", b"", (502, None), (418, b"status 418\n")),
]
# Headers to Nova that only `nsgate agent` sends or sends otherwise.
OF_THE_HOP = {"accept", "accept-encoding", "connection", "host", "user-agent", "content-type"}


class SecondHopWithRealOvn(OvnCase):
    def test_1_neutrons_own_handler_and_nsgate_agent_say_the_same_to_nova_and_to_the_guest(self) -> None:
        guest = self.guests[0]
        self.assertEqual(self.served(guest).text, f"host-of-{guest.instance}", self.agent.tell())
        before = [guest.ask(path, headers, method, body) for method, path, headers, body in REQUESTS]
        self.differs(guest, 3)
        type(self).hop = ovn_node.SecondHop(pathlib.Path(self.haproxy).with_name("nsgate"))
        ovn_node.SITE.parent.mkdir(exist_ok=True)
        ovn_node.SITE.write_text(f'agent = "{ovn_node.AGENT}"\n')
        self.restart_gates()
        bound = lambda: f"{ovn_node.NETWORK}: bound" in self.hop.log.read_text()
        self.assertTrue(lab.wait_until(bound, 30), self.hop.log.read_text() + self.agent.tell())
        self.assertEqual(self.served(guest).text, f"host-of-{guest.instance}", self.hop.log.read_text())
        after = [guest.ask(path, headers, method, body) for method, path, headers, body in REQUESTS]
        differing = []
        for request, one, other in zip(REQUESTS, before, after, strict=True):
            told = self.seen_by_nova if "/echo" in request[1] else self.seen_by_guest
            if told(one) != told(other):
                differing.append(f"{request[:2]}: {told(one)} by Neutron's handler, {told(other)} by nsgate agent")
        self.assertEqual(differing, [])
        self.differs(guest, 4)

    def differs(self, guest: ovn_node.OvsGuest, which: int) -> None:
        """What of [`DIFFERING`] is said, by the agent in this column."""
        for row in DIFFERING:
            method, path, body = row[:3]
            status, more = row[which]
            answer = guest.ask(path, "", method, body)
            seen = answer.headers.get("content-length") if method == "HEAD" else answer.body
            self.assertEqual((answer.status, seen if more is not None else None), (status, more), row[:2])

    @staticmethod
    def seen_by_guest(answer: lab.Response) -> tuple:
        return answer.status, answer.headers.get("content-type"), answer.body

    @staticmethod
    def seen_by_nova(answer: lab.Response) -> dict:
        seen = json.loads(answer.body)
        seen["headers"] = sorted([name, value] for name, value in seen["headers"] if name not in OF_THE_HOP)
        return seen

    def test_2_each_guest_is_its_own_instance(self) -> None:
        for guest in self.guests:
            self.assertEqual(self.served(guest).text, f"host-of-{guest.instance}", self.hop.log.read_text())

    def test_3_what_becomes_of_a_port_in_ovn_holds_at_once(self) -> None:
        guest = self.guests[1]
        asks = lambda: guest.ask("/latest/meta-data/hostname")
        device = "external_ids:neutron\\:device_id"
        self.assertEqual(asks().text, f"host-of-{guest.instance}")
        other = "0e8b5b9e-3c52-4a53-8e0e-2f9b0c6a7d22"
        self.node.nbctl("set", "Logical_Switch_Port", guest.port, f"{device}={other}")
        self.assertTrue(lab.wait_until(lambda: asks().text == f"host-of-{other}", 20), self.hop.log.read_text())
        self.node.nbctl("remove", "Logical_Switch_Port", guest.port, "external_ids", "neutron\\:device_id")
        self.assertTrue(lab.wait_until(lambda: asks().status == 404, 20), self.hop.log.read_text())
        self.assertIn("the port names no instance", self.hop.log.read_text())
        self.node.nbctl("set", "Logical_Switch_Port", guest.port, f"{device}={guest.instance}")
        self.assertTrue(lab.wait_until(lambda: asks().text == f"host-of-{guest.instance}", 20), self.hop.log.read_text())

    def test_4_a_southbound_database_that_is_restarted_is_followed_again(self) -> None:
        server = self.node.processes["sb"]
        server.kill()
        server.wait()
        self.assertEqual(self.guests[0].ask("/latest/meta-data/hostname").status, 200, "from the copy")
        self.node.database("sb")
        followed = lambda: self.hop.log.read_text().count("is followed") >= 2
        self.assertTrue(lab.wait_until(followed, 20), self.hop.log.read_text())
        self.assertEqual(self.served(self.guests[0]).text, f"host-of-{self.guests[0].instance}")

    def test_5_taking_the_line_out_brings_neutrons_handler_back(self) -> None:
        ovn_node.SITE.unlink()
        self.restart_gates()
        self.hop.end()
        guest = self.guests[0]
        self.assertEqual(self.served(guest).text, f"host-of-{guest.instance}", self.agent.tell())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=os.environ.get("NSGATE_HAPROXY"), help="the program under test")
    parser.add_argument("--node", type=pathlib.Path, required=True, help="Debian's files of OVN, unpacked")
    parser.add_argument("--list", action="store_true", help="print the cases and leave")
    lab.add_words(parser)
    options = parser.parse_args()
    every = list(unittest.TestLoader().loadTestsFromTestCase(SecondHopWithRealOvn))
    chosen = lab.chosen("ovn", every, options, name)
    if options.list:
        print("\n".join(name(test) for test in chosen))
        return 0
    haproxy = options.haproxy or shutil.which("haproxy", path="target/dist/bin")
    print(f"suite ovn: {len(chosen)} cases of {os.path.abspath(haproxy)}", flush=True)
    result = Lines()
    if chosen and not pathlib.Path(haproxy).with_name("nsgate").exists():
        why = f"no nsgate beside {haproxy}: another program's gates are bound to no agent"
        for test in chosen:
            result.startTest(test)
            result.addSkip(test, why)
    elif chosen:
        nova = lab.start_nova()
        node = ovn_node.Node(options.node.absolute())
        try:
            node.add_network()
            OvnCase.node, OvnCase.haproxy = node, haproxy
            OvnCase.guests = [node.add_guest(number) for number in range(1, 4)]
            OvnCase.agent = ovn_node.MetadataAgent(node, haproxy)
            unittest.TestSuite(chosen).run(result)
            OvnCase.agent.end()
        finally:
            node.end()
            nova.kill()
            nova.wait()
    failed = len(result.failures) + len(result.errors)
    print(f"ovn: {result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
