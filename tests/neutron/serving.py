"""Serves a WSGI application on a port of loopback: wsgiref of Python's own, with connections that stay for the next request, as they do
behind Apache and uwsgi."""
import socketserver
import sys
import threading
from wsgiref import simple_server


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that has gone is no error."""


class Handler(simple_server.WSGIRequestHandler):
    protocol_version = 'HTTP/1.1'

    def handle(self):
        self.close_connection = False
        while not self.close_connection:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                return
            handler = simple_server.ServerHandler(self.rfile, self.wfile, sys.stderr, self.get_environ(), multithread=True)
            handler.http_version = '1.1'
            handler.request_handler = self
            handler.run(self.server.get_app())

    def address_string(self):
        return self.client_address[0]


def serve(port, application):
    server = simple_server.make_server('127.0.0.1', port, application, Server, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
