"""Ports for what a test starts, of this process's own: tests run side by side."""

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Below those that the system gives to clients, of which one could be taken before a test's process takes it.
_FIRST = 25_000 + 500 * _WORKER
_PORTS = itertools.cycle(range(_FIRST, _FIRST + 500))


def free_port() -> int:
    """Return a port that nothing has; the next calls return others."""
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("there is no end of ports")
