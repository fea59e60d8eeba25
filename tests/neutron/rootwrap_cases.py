"""`neutron-ns-metadata-proxy` started and ended through oslo.rootwrap, with the filters that Ocata installed.

The filters are those of `etc/neutron/rootwrap.d/l3.filters` and `dhcp.filters` of Neutron 10.0.7 as far as the metadata
proxy is concerned; rootwrap is the one that Neutron 29 uses.
"""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

import lab
import ports
from cases import HOSTNAME, alive
from lab import STATE

OCATA = """\
[Filters]
metadata_proxy: CommandFilter, neutron-ns-metadata-proxy, root
kill_metadata: KillFilter, root, python, -15, -9
kill_metadata7: KillFilter, root, python2.7, -15, -9
kill_metadata35: KillFilter, root, python3.5, -15, -9
ip: IpFilter, ip, root
find: RegExpFilter, find, root, find, /sys/class/net, -maxdepth, 1, -type, l, -printf, %.*
ip_exec: IpNetnsExecFilter, ip, root
"""
# What docs/namespace-proxy.md tells operators to add.
OURS = "[Filters]\nkill_metadata_gate: KillFilter, root, neutron-ns-metadata-proxy, -9, -15\n"
REFUSED = 99


class Rootwrap(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = pathlib.Path("/run/lab/rootwrap")
        filters = self.directory / "filters"
        filters.mkdir(parents=True, exist_ok=True)
        (filters / "l3.filters").write_text(OCATA)
        self.ours = filters / "nsgate.filters"
        self.ours.unlink(missing_ok=True)
        where = os.environ["PATH"].partition(":")[0]
        if not os.path.exists(f"{where}/neutron-ns-metadata-proxy"):
            self.skipTest(f"no neutron-ns-metadata-proxy in {where}")
        self.conf = self.directory / "rootwrap.conf"
        self.conf.write_text(
            f"[DEFAULT]\nfilters_path={filters}\nexec_dirs={where},/sbin,/usr/sbin,/bin,/usr/bin\nuse_syslog=False\n"
        )
        self.pid_file = STATE / f"external/pids/{ports.NETWORK}.pid"

    def rootwrap(self, *command: str) -> subprocess.CompletedProcess:
        program = pathlib.Path(sys.executable).with_name("neutron-rootwrap")
        words = [str(program), str(self.conf), *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=20)

    def start(self) -> int:
        """The words of Ocata's `MetadataDriver._get_metadata_proxy_callback` and `config.get_log_args`."""
        done = self.rootwrap(
            *["ip", "netns", "exec", lab.GATE, "neutron-ns-metadata-proxy"],
            f"--pid_file={self.pid_file}",
            f"--metadata_proxy_socket={lab.SOCKET}",
            f"--network_id={ports.NETWORK}",
            f"--state_path={STATE}",
            "--metadata_port=80",
            "--metadata_proxy_user=neutron",
            "--metadata_proxy_group=neutron",
            "--debug",
            f"--log-file=neutron-ns-metadata-proxy-{ports.NETWORK}.log",
            f"--log-dir={self.log_directory()}",
            "--nometadata_proxy_watch_log",
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        pid = int(self.pid_file.read_text())
        self.addCleanup(lambda: alive(pid) and os.kill(pid, signal.SIGKILL))
        return pid

    def log_directory(self) -> pathlib.Path:
        directory = pathlib.Path("/run/lab/log-of-agents")
        directory.mkdir(exist_ok=True)
        return directory

    def test_ocatas_command_passes_its_filter_and_serves(self) -> None:
        agent = lab.Agent("neutron")
        self.addCleanup(agent.end)
        pid = self.start()
        answer = lab.get(HOSTNAME)
        self.assertEqual((answer.status, answer.text), (200, f"host-of-{ports.GUEST.instance}"))
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        self.assertIn(ports.NETWORK, command, "by which the agent finds it")

    def test_a_kill_filter_with_its_own_name_ends_it_and_pythons_does_not(self) -> None:
        for sign in ("-9", "-15"):
            self.ours.unlink(missing_ok=True)
            pid = self.start()
            self.assertEqual(self.rootwrap("kill", sign, str(pid)).returncode, REFUSED, "python it is not")
            self.assertTrue(alive(pid))
            self.ours.write_text(OURS)
            done = self.rootwrap("kill", sign, str(pid))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(lab.wait_until(lambda: not alive(pid), 1))

    def test_the_filter_lets_nothing_else_be_ended(self) -> None:
        self.ours.write_text(OURS)
        with subprocess.Popen(["sleep", "60"]) as other:
            try:
                self.assertEqual(self.rootwrap("kill", "-9", str(other.pid)).returncode, REFUSED)
                self.assertIsNone(other.poll())
                pid = self.start()
                self.assertEqual(self.rootwrap("kill", "-1", str(pid)).returncode, REFUSED, "a signal it does not name")
            finally:
                other.kill()


CLASSES = [Rootwrap]
