"""A compute node of OVN's in a private world, of real parts: userspace Open vSwitch, both databases, northd and ovn-controller of
Debian, Neutron's `neutron-ovn-metadata-agent`, and guests as ports of the switch. No module of the kernel is needed.

The programs are unpacked and not installed (`xtask/src/later_debian.rs`): installed, they would start with the host.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import lab
from fake_nova import SECRET

PLACE = pathlib.Path("/run/lab/ovn-node")
CHASSIS, HOST = "lab-chassis", "labhost"
NETWORK = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
PROJECT = "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60"
METADATA_PORT = "aaaaaaaa-0000-4000-8000-00000000000f"
SITE = pathlib.Path("/etc/nsgate/nsgate.toml")
AGENT = pathlib.Path("/run/nsgate/agent.sock")


def environment(files: pathlib.Path) -> dict[str, str]:
    machine = f"{os.uname().machine}-linux-gnu"
    libraries = ":".join(str(files / top / machine) for top in ("usr/lib", "lib"))
    programs = [files / where for where in ("usr/bin", "usr/sbin", "sbin", "usr/lib/openvswitch-switch")]
    places = {name: str(PLACE) for name in ("OVS_RUNDIR", "OVN_RUNDIR", "OVS_LOGDIR", "OVN_LOGDIR", "OVS_DBDIR", "OVN_DBDIR")}
    path = ":".join([*map(str, programs), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
    return {**os.environ, **places, "LD_LIBRARY_PATH": libraries, "PATH": path}


class Node:
    """Open vSwitch and OVN. `end` ends every process of it."""

    def __init__(self, files: pathlib.Path) -> None:
        self.files, self.environment, self.processes = files, environment(files), {}
        PLACE.mkdir(parents=True)
        schemas = {
            "conf": "openvswitch/vswitch.ovsschema",
            "nb": "ovn/ovn-nb.ovsschema",
            "sb": "ovn/ovn-sb.ovsschema",
        }
        for name, schema in schemas.items():
            self.run("ovsdb-tool", "create", str(PLACE / f"{name}.db"), str(files / "usr/share" / schema))
            self.database(name)
        switch = f"unix:{PLACE}/conf.sock"
        self.vsctl("--no-wait", "init")
        settings = {
            "system-id": CHASSIS,
            "hostname": HOST,
            "ovn-remote": f"unix:{PLACE}/sb.sock",
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": "127.0.0.1",
            "ovn-bridge-datapath-type": "netdev",
        }
        words = [f'external_ids:{name}="{value}"' for name, value in settings.items()]
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *words)
        self.start("ovs-vswitchd", switch)
        self.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure")
        self.nbctl("init")
        self.sbctl("init")
        self.start("ovn-northd", f"--ovnnb-db=unix:{PLACE}/nb.sock", f"--ovnsb-db=unix:{PLACE}/sb.sock")
        self.start("ovn-controller", switch)
        assert lab.wait_until(lambda: CHASSIS in self.sbctl("show"), 20), "ovn-controller registers no chassis"

    def start(self, program: str, *words: str) -> None:
        with open(PLACE / f"{program}.out", "ab") as log:
            self.processes[program] = subprocess.Popen(
                [program, *words], env=self.environment, stdout=log, stderr=log, cwd=PLACE
            )

    def database(self, name: str) -> None:
        """Starts the server of a database, or starts it again. Every user may connect to it."""
        socket = PLACE / f"{name}.sock"
        socket.unlink(missing_ok=True)
        with open(PLACE / f"{name}.out", "ab") as log:
            words = ["ovsdb-server", str(PLACE / f"{name}.db"), f"--remote=punix:{socket}", f"--unixctl={PLACE}/{name}.ctl"]
            self.processes[name] = subprocess.Popen(words, env=self.environment, stdout=log, stderr=log, cwd=PLACE)
        assert lab.wait_until(socket.exists, 20), f"no server of {name}"
        socket.chmod(0o666)

    def run(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, cwd=PLACE, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", f"--db=unix:{PLACE}/conf.sock", "--timeout=20", *words)

    def nbctl(self, *words: str) -> str:
        return self.run("ovn-nbctl", f"--db=unix:{PLACE}/nb.sock", "--timeout=20", *words)

    def sbctl(self, *words: str) -> str:
        return self.run("ovn-sbctl", f"--db=unix:{PLACE}/sb.sock", "--timeout=20", *words)

    def add_network(self) -> None:
        """A network with the port of its metadata, as Neutron's mechanism driver writes them."""
        name = f"neutron-{NETWORK}"
        self.nbctl("ls-add", name, "--", "set", "Logical_Switch", name, "external_ids:neutron\\:mtu=1450")
        ids = self.ids("10.0.0.254/24", f"ovnmeta-{NETWORK}", "network:distributed")
        self.nbctl(
            "lsp-add", name, METADATA_PORT, "--", "lsp-set-type", METADATA_PORT, "localport", "--",
            "lsp-set-addresses", METADATA_PORT, "fa:16:3e:ff:ff:fe 10.0.0.254", "--",
            "set", "Logical_Switch_Port", METADATA_PORT, *ids,
        )  # fmt: skip

    def add_guest(self, number: int) -> "OvsGuest":
        """A port of the network, bound here by ovn-controller, and a namespace with its interface."""
        guest = OvsGuest(number)
        name = guest.port
        self.add_port(guest)
        tap = f"tapg{number}"
        self.vsctl(
            "add-port", "br-int", tap, "--", "set", "interface", tap, "type=internal",
            f"external_ids:iface-id={name}", f'external_ids:attached-mac="{guest.mac}"',
        )  # fmt: skip
        lab.ip(f"netns add {guest.namespace}", f"link set {tap} netns {guest.namespace}")
        inside = f"-n {guest.namespace}"
        lab.ip(f"{inside} link set lo up", f"{inside} link set {tap} name eth0")
        lab.ip(f"{inside} link set eth0 address {guest.mac} mtu 1450 up", f"{inside} addr add {guest.address}/24 dev eth0")
        lab.ip(f"{inside} route add 169.254.169.254/32 via 10.0.0.254")
        # The userspace datapath computes no checksums.
        self.run("ip", "netns", "exec", guest.namespace, "ethtool", "-K", "eth0", "tx", "off")
        return guest

    def add_port(self, guest: "OvsGuest") -> None:
        name, switch = guest.port, f"neutron-{NETWORK}"
        self.nbctl(
            "lsp-add", switch, name, "--", "lsp-set-addresses", name, f"{guest.mac} {guest.address}", "--",
            "set", "Logical_Switch_Port", name, *self.ids(f"{guest.address}/24", guest.instance, "compute:nova"),
        )  # fmt: skip

    @staticmethod
    def ids(cidr: str, device: str, owner: str) -> list[str]:
        known = {
            "cidrs": cidr, "device_id": device, "device_owner": owner, "network_name": f"neutron-{NETWORK}",
            "project_id": PROJECT, "revision_number": "1", "mtu": "1450", "vnic_type": "normal",
        }  # fmt: skip
        return [f'external_ids:neutron\\:{name}="{value}"' for name, value in known.items()]

    def end(self) -> None:
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()


class OvsGuest:
    """A guest of the network: what OVN and Nova know of it."""

    def __init__(self, number: int) -> None:
        self.port = f"abc00000-0000-4000-8000-{number:012x}"
        self.instance = f"abcdef00-0000-4000-8000-{number:012x}"
        self.mac, self.address = f"fa:16:3e:00:00:{number:02x}", f"10.0.0.{number + 10}"
        self.namespace = f"guest-{number}"

    def ask(self, path: str, headers: str = "", method: str = "GET", body: bytes = b"", timeout: float = 20) -> lab.Response:
        with lab.connect(source=self.address, namespace=self.namespace, timeout=timeout) as stream:
            stream.send(lab.request(path, headers + "Connection: close\r\n", method=method, body=body))
            return stream.response(method)


class MetadataAgent:
    """Neutron's own agent, unchanged: `neutron-ovn-metadata-agent`, or `neutron-ovn-agent` with its extension for metadata."""

    NAMES = {"neutron-ovn-metadata-agent": "ovn_metadata", "neutron-ovn-agent": "ovn_neutron_agent"}

    def __init__(self, node: Node, haproxy: str, name: str = "neutron-ovn-metadata-agent") -> None:
        state = PLACE / "state"
        state.mkdir(exist_ok=True)
        (state / "metadata_proxy").unlink(missing_ok=True)
        configuration = state / "agent.conf"
        configuration.write_text(
            f"[DEFAULT]\nhost = {HOST}\nstate_path = {state}\nlog_file = {state}/agent.log\nuse_stderr = false\n"
            f"metadata_proxy_socket = {state}/metadata_proxy\nexternal_pids = {state}/external/pids\n"
            "metadata_proxy_user = neutron\nmetadata_proxy_group = neutron\n"
            f"nova_metadata_host = 127.0.0.1\nnova_metadata_port = {lab.NOVA_PORT}\nmetadata_proxy_shared_secret = {SECRET}\n"
            "metadata_workers = 0\n[AGENT]\nroot_helper = env\ncheck_child_processes_interval = 1\nextensions = metadata\n"
            f"[ovs]\novsdb_connection = unix:{PLACE}/conf.sock\n[ovn]\novn_sb_connection = unix:{PLACE}/sb.sock\n"
        )
        # By its name the agent names its chains of packet filters.
        self.name = name
        module = f"neutron.cmd.agents.{self.NAMES[name]}"
        program = f"import sys; sys.argv[0] = {name!r}; from {module} import main; main()"
        places = [os.path.dirname(os.path.abspath(haproxy)), os.path.dirname(sys.executable), node.environment["PATH"]]
        self.log, self.state = state / "agent.log", state
        with open(state / "agent.out", "ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", program, "--config-file", str(configuration)],
                env={**node.environment, "PATH": ":".join(places)}, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

        socket = state / "metadata_proxy"
        assert lab.wait_until(socket.exists, 60), self.tell()
        # In a deployment the agent and its gates are one user. Here the agent is root.
        socket.chmod(0o666)
        # As at the guests' interfaces: what the kernel leaves to a network card, the userspace datapath does not do.
        namespace = f"ovnmeta-{NETWORK}"
        # The namespace's file is there a moment before its namespace: until then `ip` fails, and that is no fault.
        list_links = ["ip", "-n", namespace, "-br", "link"]
        links = lambda: subprocess.run(list_links, capture_output=True, text=True, env=node.environment).stdout
        taps = lambda: [line.split("@")[0] for line in links().splitlines() if line.startswith("tap")]
        assert lab.wait_until(taps, 60), self.tell()
        for tap in taps():
            node.run("ip", "netns", "exec", namespace, "ethtool", "-K", tap, "tx", "off")

    def gates(self) -> list[int]:
        """Processes of gates, by their pid files."""
        files = (self.state / "external/pids").glob("*.pid*")
        return [int(text) for text in (file.read_text().strip() for file in files) if text.isdigit()]

    def tell(self) -> str:
        texts = [path.read_text(errors="replace") for path in (self.log, self.state / "agent.out") if path.exists()]
        return "\n".join("\n".join(text.splitlines()[-15:]) for text in texts)

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for gate in self.gates():
            with contextlib.suppress(ProcessLookupError):
                os.kill(gate, signal.SIGKILL)


class SecondHop:
    """`nsgate agent`, which follows the same southbound database."""

    def __init__(self, nsgate: pathlib.Path) -> None:
        place = pathlib.Path("/run/lab/second-hop")
        place.mkdir(exist_ok=True)
        AGENT.parent.mkdir(mode=0o755, exist_ok=True)
        secret, configuration, self.log = place / "secret", place / "agent.toml", place / "log"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        configuration.write_text(
            f'[agent]\nsocket = "{AGENT}"\nuser = "neutron"\n'
            f'[nova]\nhosts = ["http://127.0.0.1:{lab.NOVA_PORT}"]\nsecret_file = "{secret}"\n'
            f'[directory]\nkind = "ovn"\nremotes = ["unix:{PLACE}/sb.sock"]\nchassis = "{CHASSIS}"\n'
        )
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([nsgate, "agent", "--config", configuration], stdout=log, stderr=log)
        assert lab.wait_until(lambda: "is followed" in self.log.read_text(), 20), self.log.read_text()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
