"""Runs the suite with real OVN in a private world: `cargo xtask test neutron`, or

    cargo xtask lab target/neutron/venv/bin/python tests/neutron/ovn_run.py --node target/debian/SUITE/ovn-node [WORD ...]

A guest that is a port of Open vSwitch asks; the gate is started by Neutron's own agent; the request goes to Nova by that agent's own
request handler, and then by `nsgate agent`. With `--nova PYTHON` and `--databases DIRECTORY` (`real_nova.py`) Nova is real as well,
and `neutron-ovn-agent` starts the gates, too.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest
import warnings

warnings.simplefilter("ignore")

import lab
import ovn_node
from lines import Lines, name
from real_nova import USER_DATA


class OvnCase(unittest.TestCase):
    """What all cases share: one node, and one agent of Neutron's."""

    node: ovn_node.Node
    agent: ovn_node.MetadataAgent
    hop: ovn_node.SecondHop
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

    def lead_to_the_hop(self) -> None:
        """What an operator does: the agent, the line in the site's file, and gates that are started anew."""
        type(self).hop = ovn_node.SecondHop(pathlib.Path(self.haproxy).with_name("nsgate"))
        ovn_node.SITE.parent.mkdir(exist_ok=True)
        ovn_node.SITE.write_text(f'agent = "{ovn_node.AGENT}"\n')
        self.restart_gates()
        bound = lambda: f"{ovn_node.NETWORK}: bound" in self.hop.log.read_text()
        self.assertTrue(lab.wait_until(bound, 30), self.hop.log.read_text() + self.agent.tell())

    def lead_back(self) -> None:
        ovn_node.SITE.unlink()
        self.restart_gates()
        self.hop.end()


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
        self.lead_to_the_hop()
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
        self.lead_back()
        guest = self.guests[0]
        self.assertEqual(self.served(guest).text, f"host-of-{guest.instance}", self.agent.tell())


class RealNova:
    """Nova 34's own metadata service, at the port of the small one."""

    PLACE = pathlib.Path("/run/lab/nova")

    def __init__(self, python: pathlib.Path, databases: pathlib.Path) -> None:
        self.python, self.databases = python, databases
        self.start()

    def start(self) -> None:
        shutil.copytree(self.databases, self.PLACE)
        words = [self.python, "-W", "ignore", lab.HERE / "real_nova.py", "serve", self.PLACE]
        with open(self.PLACE / "out", "ab") as out:
            self.process = subprocess.Popen(words, stdout=out, stderr=out)
        self.read = 0
        assert lab.wait_until((self.PLACE / "seen").exists, 60), (self.PLACE / "out").read_text()

    def anew(self) -> None:
        """With the databases as they were made."""
        self.end()
        shutil.rmtree(self.PLACE)
        self.start()

    def seen(self) -> list[dict]:
        """The requests since the last look."""
        lines = (self.PLACE / "seen").read_text().splitlines()
        new, self.read = lines[self.read :], len(lines)
        return [json.loads(line) for line in new]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


# What guests ask Nova, by the guest: the user data of the second is gzipped, that of the third binary.
OF_NOVA = [
    *((0, "GET", path, b"") for path in (
        "/", "/latest", "/latest/meta-data", "/latest/meta-data/", "/latest/meta-data/hostname", "/latest/meta-data/nope",
        "/2009-04-04/meta-data/public-keys/0/openssh-key", "/2009-04-04/meta-data/block-device-mapping/",
        "/latest/meta-data/security-groups", "/latest/meta-data/local-ipv4", "/latest/user-data", "/openstack",
        "/openstack/latest/", "/openstack/latest/meta_data.json", "/openstack/latest/meta_data.json?x=1%202",
        "/openstack/2012-08-10/meta_data.json", "/openstack/2099-01-01/meta_data.json", "/openstack/latest/user_data",
        "/openstack/latest/vendor_data.json", "/openstack/latest/vendor_data2.json", "/openstack/latest/network_data.json",
        "/openstack/latest/password", "/openstack/content/0000", "/ec2", "/nope",
    )),
    (0, "POST", "/openstack/latest/password", b"encrypted=="),
    (0, "GET", "/openstack/latest/password", b""),
    (0, "POST", "/openstack/latest/password", b"again=="),
    (1, "POST", "/openstack/latest/password", b"x" * 1100),
    (1, "GET", "/openstack/latest/meta_data.json", b""),
    (2, "GET", "/openstack/latest/network_data.json", b""),
]  # fmt: skip


class WithRealNova(OvnCase):
    """Cases for one of Neutron's agents."""

    nova: RealNova

    def asked(self) -> list[tuple[tuple, list[dict]]]:
        """What each guest gets, and what of it reaches Nova."""
        self.nova.seen()
        outcomes = []
        for number, method, path, body in OF_NOVA:
            # By this header Nova chooses between HTML and plain text, for its errors.
            answer = self.guests[number].ask(path, "Accept: */*\r\nX-Instance-ID: evil\r\nX-Forwarded-For: 10.0.0.99\r\n", method, body)
            # 512 fresh random bytes in each document.
            text = re.sub(rb'"random_seed": "[^"]*"', b"", answer.body)
            seen = self.nova.seen()
            for one in seen:
                headers = {name.lower().replace("_", "-"): value for name, value in one["headers"].items()}
                one["headers"] = {name: value for name, value in headers.items() if name not in OF_THE_HOP}
                # A request without a body may say so, or not.
                if one["headers"].get("content-length") == "0":
                    del one["headers"]["content-length"]
            outcomes.append(((answer.status, answer.headers.get("content-type"), text), seen))
        return outcomes

    def user_data(self) -> list[tuple[int, bytes]]:
        answers = [guest.ask("/openstack/latest/user_data") for guest in self.guests[1:]]
        return [(answer.status, answer.body) for answer in answers]

    def test_1_real_nova_and_its_guests_see_no_difference_but_those_of_the_list(self) -> None:
        self.assertEqual(self.served(self.guests[0]).text, "guest-1")
        before, by_neutron = self.asked(), self.user_data()
        # A password is written once.
        self.nova.anew()
        self.lead_to_the_hop()
        self.assertEqual(self.served(self.guests[0]).text, "guest-1", self.hop.log.read_text())
        after, by_hop = self.asked(), self.user_data()
        differing = [
            f"{request[:3]}: {one} by Neutron's handler, {other} by nsgate agent"
            for request, one, other in zip(OF_NOVA, before, after, strict=True)
            if one != other or len(one[1]) != 1
        ]
        self.assertEqual(differing, [])
        nothing = self.guests[0].ask("/latest/meta-data/nope")
        self.assertEqual((nothing.status, nothing.headers.get("content-type")), (404, "text/plain; charset=UTF-8"))
        # User data that is no text: the list's.
        self.assertEqual([status for status, _ in by_neutron], [200, 502])
        self.assertEqual(by_hop, [(200, USER_DATA[2]), (200, USER_DATA[3])])

    def test_2_no_guest_gets_another_instances_metadata_when_a_port_moves_or_goes(self) -> None:
        name = lambda guest: guest.ask("/latest/meta-data/hostname")
        self.assertEqual([name(guest).text for guest in self.guests], ["guest-1", "guest-2", "guest-3"])
        second, third = self.guests[1:]
        # The second's port has another address, which a new instance's port may get; the third's port goes.
        self.node.nbctl("lsp-set-addresses", second.port, f"{second.mac} 10.0.0.77")
        self.node.nbctl("lsp-del", third.port)
        answers = []
        refused = lambda: answers.append(name(second)) or answers[-1].status == 404
        self.assertTrue(lab.wait_until(refused, 20), self.hop.log.read_text())
        self.assertLessEqual({answer.text for answer in answers if answer.status == 200}, {"guest-2"})
        try:
            self.assertEqual(third.ask("/latest/meta-data/hostname", timeout=2).status, 404)
        except OSError:
            # Its packets go nowhere: the switch has no port for them.
            pass
        self.node.nbctl("lsp-set-addresses", second.port, f"{second.mac} {second.address}")
        self.node.add_port(third)
        self.assertEqual([self.served(guest).text for guest in self.guests], ["guest-1", "guest-2", "guest-3"])

    def test_3_taking_the_line_out_brings_neutrons_handler_back_to_real_nova(self) -> None:
        self.lead_back()
        self.assertEqual(self.served(self.guests[0]).text, "guest-1", self.agent.tell())
        self.assertEqual(self.guests[1].ask("/latest/meta-data/hostname").text, "guest-2")


class RealNovaBehindNeutronsOvnMetadataAgent(WithRealNova):
    pass


class RealNovaBehindNeutronsOvnAgent(WithRealNova):
    pass


AGENTS = {
    RealNovaBehindNeutronsOvnMetadataAgent: "neutron-ovn-metadata-agent",
    RealNovaBehindNeutronsOvnAgent: "neutron-ovn-agent",
}


def run_with_real_nova(chosen: list, options: argparse.Namespace, result: Lines) -> None:
    for kind, agent in AGENTS.items():
        cases = [test for test in chosen if isinstance(test, kind)]
        if not cases:
            continue
        if OvnCase.agent.name != agent:
            OvnCase.agent.end()
            OvnCase.agent = ovn_node.MetadataAgent(OvnCase.node, OvnCase.haproxy, agent)
        WithRealNova.nova = RealNova(options.nova.absolute(), options.databases.absolute())
        try:
            unittest.TestSuite(cases).run(result)
        finally:
            WithRealNova.nova.end()
            shutil.rmtree(RealNova.PLACE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haproxy", default=os.environ.get("NSGATE_HAPROXY"), help="the program under test")
    parser.add_argument("--node", type=pathlib.Path, required=True, help="Debian's files of OVN, unpacked")
    parser.add_argument("--nova", type=pathlib.Path, help="the interpreter of Nova's environment")
    parser.add_argument("--databases", type=pathlib.Path, help="what `real_nova.py make` has written")
    parser.add_argument("--list", action="store_true", help="print the cases and leave")
    lab.add_words(parser)
    options = parser.parse_args()
    kinds = [SecondHopWithRealOvn, *(AGENTS if options.nova else ())]
    every = [test for kind in kinds for test in unittest.TestLoader().loadTestsFromTestCase(kind)]
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
            with_small_nova = [test for test in chosen if not isinstance(test, WithRealNova)]
            unittest.TestSuite(with_small_nova).run(result)
            nova.kill()
            nova.wait()
            run_with_real_nova(chosen, options, result)
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
