"""Two readers of Python's against what nsgate sent to its agent: do they understand what the guest meant?

    differential.py < RECORDS

RECORDS is a JSON list; each record has the bytes sent (as Latin-1), what the guest meant (`method`, `target`, `body`) and
the truth (`header`, `id`, `address`). http.server is Python's own, the base of Neutron's agents; WebOb is what they hand
the bytes to. One line for each disagreement; the status says whether there was one.
"""

import http.server
import io
import json
import sys
import urllib.parse

import webob

IDENTITIES = {
    "X_FORWARDED_FOR",
    "X_NEUTRON_NETWORK_ID",
    "X_NEUTRON_ROUTER_ID",
    "X_OVN_NETWORK_ID",
    "X_INSTANCE_ID",
    "X_INSTANCE_ID_SIGNATURE",
    "X_TENANT_ID",
    "X_METADATA_PROVIDER",
    "X_METADATA_PROVIDER_SIGNATURE",
    "FORWARDED",
    "X_REAL_IP",
    "X_FORWARDED_HOST",
}


class Server(http.server.BaseHTTPRequestHandler):
    """http.server with a file for a socket."""

    def __init__(self, data: bytes) -> None:
        self.rfile, self.wfile = io.BytesIO(data), io.BytesIO()
        self.raw_requestline = self.rfile.readline(65537)
        self.refused = None
        self.parsed = self.parse_request()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.refused = f"{code} {message or ''}"

    def handle_expect_100(self) -> bool:
        return True


def identities(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    folded = [(name.strip().upper().replace("-", "_"), value) for name, value in fields]
    return sorted(field for field in folded if field[0] in IDENTITIES)


def by_http_server(data: bytes) -> dict:
    server = Server(data)
    if server.refused or not server.parsed:
        raise ValueError(f"refused: {server.refused}")
    if server.headers.defects or server.headers.get_payload():
        raise ValueError(f"defects: {server.headers.defects} {server.headers.get_payload()!r}")
    body = server.rfile.read(int(server.headers.get("Content-Length", "0")))
    return {
        "method": server.command,
        "target": server.path,
        "body": body,
        "identities": identities(server.headers.items()),
        "left over": server.rfile.read(),
    }


def by_webob(data: bytes) -> dict:
    file = io.BytesIO(data)
    request = webob.Request.from_file(file)
    prefix = "HTTP_"
    fields = [(key[len(prefix) :], value) for key, value in request.environ.items() if key.startswith(prefix)]
    query = request.environ["QUERY_STRING"]
    return {
        "method": request.method,
        "path": request.environ["PATH_INFO"],
        "query": query,
        "body": request.body,
        "identities": identities(fields),
        "left over": file.read(),
    }


def meant(record: dict) -> dict:
    truth = [(record["header"].upper().replace("-", "_"), record["id"]), ("X_FORWARDED_FOR", record["address"])]
    return {
        "method": record["method"],
        "target": record["target"],
        "body": record["body"].encode("latin-1"),
        "identities": sorted(truth),
        "left over": b"",
    }


def as_http_server_says(wish: dict) -> dict:
    # It makes one slash of several at the beginning, lest a redirect lead to another host.
    target = wish["target"]
    return wish | {"target": "/" + target.lstrip("/") if target.startswith("//") else target}


def as_webob_says(wish: dict) -> dict:
    # It writes methods in upper case, and takes the escapes out of paths as WSGI asks.
    path, _, query = wish["target"].partition("?")
    path = urllib.parse.unquote_to_bytes(path).decode("latin-1")
    rest = {key: value for key, value in wish.items() if key != "target"}
    return rest | {"method": wish["method"].upper(), "path": path, "query": query}


READERS = {"http.server": (by_http_server, as_http_server_says), "WebOb": (by_webob, as_webob_says)}


def main() -> int:
    records = json.load(sys.stdin)
    disagreements = 0
    for record in records:
        for name, (read, expected) in READERS.items():
            try:
                got, wish = read(record["bytes"].encode("latin-1")), expected(meant(record))
                differ = [f"{key} is {got[key]!r}, not {wish[key]!r}" for key in wish if got[key] != wish[key]]
            except Exception as error:  # whatever a reader stumbles over is a disagreement
                differ = [f"{type(error).__name__}: {error}"]
            if differ:
                disagreements += 1
                print(f"{name}: {record['name']}: {'; '.join(differ)}")
    print(f"{len(records)} requests, {len(READERS)} readers, {disagreements} disagreements")
    return 1 if disagreements or not records else 0


if __name__ == "__main__":
    sys.exit(main())
