"""A server that answers as Grafana 12's API is documented to, in as far as it is asked by us."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Grafana:
    """What it has, which a test may change."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.dashboards: list[str] = []
        self.sick: dict[str, str] = {}
        """What is wrong with a data source, by its uid."""

    def answer(self, path: str, authorization: str) -> tuple[int, Any]:
        """Return status and body of the answer to a GET."""
        if path == "/api/health":
            return 200, {"database": "ok", "version": "12.4.2", "commit": "abc"}
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if given != f"admin:{self.password}":
            return 401, {"message": "Invalid username or password", "messageId": "password-auth.failed"}
        if path == "/api/search":
            return 200, [{"uid": uid, "title": uid, "type": "dash-db"} for uid in self.dashboards]
        parts = path.split("/")
        if path.startswith("/api/datasources/uid/") and parts[-1] == "health":
            if why := self.sick.get(parts[4]):
                return 400, {"status": "ERROR", "message": why}
            return 200, {"status": "OK", "message": "Database Connection OK"}
        return 404, {"message": "Not found"}


@contextmanager
def serving(grafana: Grafana) -> Iterator[int]:
    """Answer for it within the block; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = grafana.answer(urlsplit(self.path).path, self.headers.get("Authorization", ""))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
