"""A web server on this machine that can be told to misbehave."""

import contextlib
import hashlib
import http.server
import json
import threading
import time

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


class Server:
    """Serves `files` by path; `behaviours` says how, one for each request in turn.

    A behaviour is a word of `_Handler.misbehave`, or "fine"; when the list is at its end, all
    is fine. `requests` are the method, the path and the Range header of what was asked.
    """

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.files, self.behaviours, self.requests = {}, [], []
        self.pause = 0.0

    def next_behaviour(self):
        return self.behaviours.pop(0) if self.behaviours else "fine"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # whoever asked has had enough
            super().handle()

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server = self.server.state
        server.requests.append((self.command, self.path, self.headers.get("Range")))
        path = self.path.partition("?")[0]
        content = server.files.get(path)
        if content is None:
            kind = "RepoNotFound" if path.startswith("/api/") else "EntryNotFound"
            self.send(404, b"", {"X-Error-Code": kind})
        elif isinstance(content, dict):
            self.send(200, json.dumps(content).encode(), {}, body)
        elif not body or not self.misbehave(server.next_behaviour(), content):
            self.give(content, body)

    def give(self, content, body=True):
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-").partition("-")[0]) if asked else 0
        if start >= len(content) and asked:
            self.send_error(416)
            return
        name, commit = self.path.rpartition("/")[2], "c" * 40
        headers = {"ETag": f'"{name}"', "X-Repo-Commit": commit}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send(206 if asked else 200, content[start:], headers, body)

    def send(self, status, content, headers, body=True, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if body:
            half = len(content) // 2
            self.wfile.write(content[:half])
            time.sleep(self.server.state.pause)
            self.wfile.write(content[half:])

    def misbehave(self, behaviour, content):
        """Answers in a bad way; says whether that was an answer."""
        word, _, argument = behaviour.partition(" ")
        if word == "refuse":
            self.send_error(int(argument))
        elif word == "truncate":
            asked = int((self.headers.get("Range") or "bytes=0-").strip("bytes=-"))
            rest = content[asked:]
            headers = {"Content-Range": f"bytes {asked}-{len(content) - 1}/{len(content)}"}
            self.send(206 if asked else 200, rest[: int(argument)], headers, length=len(rest))
            self.close_connection = True
        elif word == "corrupt":
            self.give(bytes([content[0] ^ 1]) + content[1:])
        elif word == "ignore-range":
            del self.headers["Range"]
            self.give(content)
        elif word == "wrong-range":
            self.send(206, content, {"Content-Range": f"bytes 1-{len(content)}/*"})
        elif word == "redirect":
            self.send(302, b"", {"Location": argument})
        elif word == "endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 2**16)
            self.close_connection = True
        elif word == "stall":
            self.send(200, content[:10], {}, length=len(content))
            time.sleep(float(argument))
            self.close_connection = True
        elif word == "drip":
            self.send(200, b"", {}, length=len(content))
            with contextlib.suppress(OSError):
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(float(argument))
        elif word == "hang-up":
            self.close_connection = True
        else:
            return False
        return True


@contextlib.contextmanager
def serving():
    """Runs a `Server` while the block lasts."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.state = Server(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.state
        finally:
            server.shutdown()
            thread.join()


def entry(server, **changes):
    """An entry of a preset's `weights`: the file that the fixture `server` serves."""
    return {"source": f"{server.url}/w/net.pth", "sha256": SHA256} | changes


def gets(server):
    """The GET requests that a server has had."""
    return [request for request in server.requests if request[0] == "GET"]
