"""A server on this machine whose folders serve the same files, each in a way of its own: one good, the others not."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><body>Too many requests</body></html>"


def flipped(data):
    changed = bytearray(data)
    changed[len(data) // 2] ^= 0x55
    return bytes(changed)


class Mirrors(ThreadingHTTPServer):
    """`files` are what the good mirror serves, `others` the valid files of another data set."""

    daemon_threads = True

    def __init__(self, files, others):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.others, self.asked = files, others, []

    def folder(self, name):
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, request, client_address):
        pass  # a client that hangs up on a mirror that sends without end


@contextmanager
def serving(files, others=None):
    server = Mirrors(files, others or files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, folder, name = self.path.split("/", 2)
        self.server.asked.append(folder)
        getattr(self, folder)(name, self.server.files.get(name))

    def log_message(self, *arguments):
        pass

    def answer(self, body, length=None, **headers):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def good(self, name, data):
        self.answer(data)

    def redirects(self, name, data):
        self.send_response(302)
        self.send_header("Location", f"/good/{name}")
        self.end_headers()

    def chunked(self, name, data):
        """Without a length, as a server does that makes its answer on the way."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def says_gzip_twice(self, name, data):
        """Calls the .gz its transport encoding, so that clients inflate it."""
        self.answer(data, Content_Encoding="gzip")

    def longer(self, name, data):
        self.answer(data + b"more", length=len(data))

    def missing(self, name, data):
        self.send_error(404)

    def broken(self, name, data):
        self.send_error(500)

    def forbidden(self, name, data):
        self.send_error(403)

    def page(self, name, data):
        self.answer(PAGE, Content_Type="text/html")

    def empty(self, name, data):
        self.answer(b"")

    def short(self, name, data):
        self.answer(data[: len(data) // 2], length=len(data))

    def half(self, name, data):
        self.answer(data[: len(data) // 2])

    def declares_half(self, name, data):
        self.answer(data, length=len(data) // 2)

    def flipped(self, name, data):
        self.answer(flipped(data))

    def twice(self, name, data):
        self.answer(data + data)

    def garbage_behind(self, name, data):
        self.answer(data + PAGE)

    def other(self, name, data):
        self.answer(self.server.others[name])

    def closes(self, name, data):
        self.connection.close()

    def endless(self, name, data):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(1 << 16))

    def silent(self, name, data):
        time.sleep(3)

    def loops(self, name, data):
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()
