"""The small HTTP server that every long-running part has: `/metrics` for Prometheus, `/health` as JSON."""

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app

Health = Callable[[], dict[str, Any]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing: a request a few seconds is no news."""


def serve(
    port: int, health: Health, registry: CollectorRegistry = REGISTRY, *, address: str = "127.0.0.1"
) -> WSGIServer:
    """Answer on `address` from a thread of its own; port 0 takes a free one (`server_port` tells which).

    `health` is called at each request, from another thread than the caller's.

    Raises:
        OSError: the port is taken.
    """
    metrics = make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/health":
            body = json.dumps(health()).encode()
            start_response("200 OK", [("Content-Type", "application/json")])
            return [body]
        answer: Iterable[bytes] = metrics(environ, start_response)
        return answer

    server = make_server(address, port, app, server_class=_Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
