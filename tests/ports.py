"""Ports for what a test starts, of this process's own: tests run side by side."""

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_COUNT = 500
# Below those that the system gives to clients, of which one could be taken before a test's process takes it; and below
# those of whole stacks, of tests and of users.
_FIRST = 20_000 + _COUNT * _WORKER
# Two runs at once do not begin with the same.
_PORTS = itertools.cycle(_FIRST + (os.getpid() + number) % _COUNT for number in range(_COUNT))


def free_port() -> int:
    """Return a port that nothing has; the next hundreds of calls return others."""
    for port in itertools.islice(_PORTS, _COUNT):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("something has all ports that tests use")
