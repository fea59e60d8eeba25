"""Namespaces, guests and helper processes. Must run inside a private world (`cargo xtask lab COMMAND`)."""

import argparse
import ctypes
import dataclasses
import http.client
import io
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import typing

HERE = pathlib.Path(__file__).parent
STATE = pathlib.Path(os.environ.get("NSGATE_STATE", "/run/lab/neutron"))
SOCKET = STATE / "metadata_proxy"
GATE, GUEST, TAP = "gate", "guest", "tap4f2a9c1d-30"
GUEST_LINK_LOCAL = "fe80::f816:3eff:fe00:1"
NOVA_PORT = 8775
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*lines: str) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


def add_words(parser: argparse.ArgumentParser) -> None:
    """The words that choose cases, as a suite of Rust takes them (tests/src/choice.rs)."""
    parser.add_argument("words", nargs="*", help="run the cases whose names have one of these, or the suite of this name")
    parser.add_argument("--among-others", action="store_true", help="the words may be for another suite")


def chosen(suite: str, cases: list, options: argparse.Namespace, name: typing.Callable[[typing.Any], str]) -> list:
    """The cases that the words choose. Words that choose none are a mistake, and end the run."""
    takes = lambda case: any(word == suite or word in name(case) for word in options.words)
    found = [case for case in cases if not options.words or takes(case)]
    if not found and not options.among_others:
        print(f"suite {suite}: no case has `{'` or `'.join(options.words)}` in its name, so nothing was tested")
        print(f"{suite}: 0 passed, 1 failed, 0 skipped")
        sys.exit(1)
    return found


def make_network() -> None:
    """The same network as the Rust laboratory's: see tests/src/network.rs."""
    ip(f"netns add {GATE}", f"netns add {GUEST}")
    ip(f"-n {GATE} link set lo up", f"-n {GUEST} link set lo up")
    ip(f"-n {GATE} link add {TAP} type veth peer name eth0 netns {GUEST}")
    ip(f"-n {GUEST} link set eth0 address fa:16:3e:00:00:01")
    for address in ("10.0.0.1/24", "169.254.169.254/32", "fd00::1/64 nodad", "fe80::a9fe:a9fe/64 nodad"):
        first, *rest = address.split()
        ip(f"-n {GATE} addr add {first} dev {TAP} {' '.join(rest)}")
    for address in ("10.0.0.11/24", "10.0.0.12/24", "fd00::11/64 nodad", f"{GUEST_LINK_LOCAL}/64 nodad"):
        first, *rest = address.split()
        ip(f"-n {GUEST} addr add {first} dev eth0 {' '.join(rest)}")
    ip(f"-n {GATE} link set {TAP} up", f"-n {GUEST} link set eth0 up")
    ip(f"-n {GUEST} route add 169.254.169.254/32 via 10.0.0.1")


HOST_GUEST, HOST_TAP = "hostguest", "tap-meta"


def make_host_network() -> None:
    """Instances of the whole host, each by the address that the `metadata_path` extension gives it, beside `tap-meta`."""
    ip(f"netns add {HOST_GUEST}", f"link add {HOST_TAP} type veth peer name eth0 netns {HOST_GUEST}")
    ip(f"addr add 240.0.0.1/16 dev {HOST_TAP}", f"link set {HOST_TAP} up")
    for last in range(2, 6):
        ip(f"-n {HOST_GUEST} addr add 240.0.0.{last}/16 dev eth0")
    ip(f"-n {HOST_GUEST} link set lo up", f"-n {HOST_GUEST} link set eth0 up")


def inside(namespace: str, work):
    """Runs `work()` on a thread inside the namespace; a socket made there stays there."""
    result: list = []

    def body() -> None:
        try:
            with open(f"/run/netns/{namespace}") as file:
                if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append((work(), None))
        except BaseException as error:  # handed to the caller below
            result.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    value, error = result[0]
    if error:
        raise error
    return value


@dataclasses.dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Stream:
    """A guest's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def response(self, method: str = "GET") -> Response:
        """One answer, read by the rules of HTTP. Raises if it is broken or does not come."""
        answer = http.client.HTTPResponse(_Reader(self.file), method=method)
        answer.begin()
        body = answer.read()
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, body)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()


class _Reader:
    """What HTTPResponse wants of a socket, without closing the connection after an answer."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file

    def makefile(self, *_: object) -> "_Reader":
        return self

    def __getattr__(self, name: str):
        return getattr(self.file, name)

    def close(self) -> None:
        pass


def connect(
    host: str = "169.254.169.254",
    port: int = 80,
    source: str = "10.0.0.11",
    timeout: float = 20,
    namespace: str = GUEST,
) -> Stream:
    def dial() -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        link_local = source.startswith("fe80")
        scope = socket.if_nametoindex("eth0") if link_local else 0
        sock.bind((source, 0, 0, scope) if ":" in source else (source, 0))
        sock.connect((host, port, 0, scope) if ":" in host else (host, port))
        return sock

    return Stream(inside(namespace, dial))


def request(path: str, headers: str = "", *, method: str = "GET", body: bytes = b"", version: str = "1.1") -> bytes:
    head = f"{method} {path} HTTP/{version}\r\nHost: 169.254.169.254\r\nUser-Agent: guest\r\n{headers}"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def get(path: str, headers: str = "", **where) -> Response:
    with connect(**where) as stream:
        stream.send(request(path, headers + "Connection: close\r\n"))
        return stream.response()


def storm(count: int, path: str) -> list[str]:
    """Asks `count` times at once; returns each outcome: a status as text, or the error."""
    outcomes: list[str] = []
    barrier = threading.Barrier(count)

    def one() -> None:
        try:
            with connect(timeout=60) as stream:
                barrier.wait(timeout=30)
                stream.send(request(path, "Connection: close\r\n"))
                outcomes.append(str(stream.response().status))
        except Exception as error:  # an outcome like any other
            outcomes.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def wait_until(ready, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Agent:
    """Neutron's agent in a process of its own (agent.py)."""

    def __init__(self, kind: str) -> None:
        self.log = open(f"/run/lab/agent-{kind}.log", "ab")
        arguments = [kind, str(SOCKET), str(NOVA_PORT), self.log.name]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "agent.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.expect("ready")

    def expect(self, word: str) -> None:
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"the agent said {line!r} instead of {word!r}; its log:\n{self.tail()}")

    def tell(self, word: str) -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        self.expect(word)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(pathlib.Path(self.log.name).read_text(errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()
        self.log.close()


def start_nova() -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, str(HERE / "fake_nova.py"), str(NOVA_PORT)])

    def up() -> bool:
        try:
            socket.create_connection(("127.0.0.1", NOVA_PORT), timeout=1).close()
            return True
        except OSError:
            return False

    if not wait_until(up):
        raise RuntimeError("the fake Nova did not come up")
    return process


def log_socket() -> socket.socket:
    """A reader at this world's /dev/log."""
    path = "/dev/log"
    if os.path.exists(path):
        os.unlink(path)
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.bind(path)
    os.chmod(path, 0o666)
    reader.settimeout(5)
    return reader
