"""A small Nova metadata API in a process of its own: what Neutron's agent asks on a guest's behalf.

Checks the instance signature as Nova does, and answers on a few paths:

    /latest/meta-data/hostname      the instance's name
    /echo                           what Nova was sent (headers, body), as JSON
    /status/CODE                    that status with a short body
    /status/CODE/empty              that status with no body at all
    /binary                         bytes that are no text
    /big/BYTES                      that many bytes
    /slow/SECONDS                   an answer after a pause
    POST /openstack/…/password      kept, and returned by GET
"""

import hashlib
import hmac
import http.server
import json
import sys
import time

SECRET = "the shared secret of the laboratory"


class Nova(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    passwords: dict[str, bytes] = {}

    def do_GET(self) -> None:
        self.answer(b"")

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def answer(self, body: bytes) -> None:
        instance = self.headers.get("X-Instance-ID", "")
        expected = hmac.new(SECRET.encode(), instance.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, self.headers.get("X-Instance-ID-Signature", "")):
            return self.send(403, b"wrong signature\n")
        parts = [part for part in self.path.partition("?")[0].split("/") if part]
        if parts == ["latest", "meta-data", "hostname"]:
            return self.send(200, f"host-of-{instance}".encode())
        if parts[:1] == ["echo"]:
            seen = {
                "method": self.command,
                "path": self.path,
                "instance": instance,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": body.decode("latin-1"),
            }
            return self.send(200, json.dumps(seen).encode(), "application/json")
        if parts[:1] == ["status"]:
            empty = parts[2:] == ["empty"]
            return self.send(int(parts[1]), b"" if empty else f"status {parts[1]}\n".encode())
        if parts[:1] == ["binary"]:
            return self.send(200, b"\x1f\x8b\xff\x00no text", "application/octet-stream")
        if parts[:1] == ["big"]:
            return self.send(200, b"0123456789abcdef" * (int(parts[1]) // 16))
        if parts[:1] == ["slow"]:
            time.sleep(float(parts[1]))
            return self.send(200, b"slow")
        if parts[:1] == ["openstack"] and parts[-1] == "password":
            if self.command == "POST":
                self.passwords[instance] = body
                return self.send(200, b"")
            return self.send(200, self.passwords.get(instance, b""))
        return self.send(404, b"nothing here\n")

    def send(self, status: int, body: bytes, kind: str = "text/plain; charset=UTF-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Nova).serve_forever()
