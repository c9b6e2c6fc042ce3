"""Quick questions to local servers, each answered or given up within two seconds."""

import socket
from typing import Any

from stack.asking import NoAnswer, ask


def refused(port: int) -> str | None:
    """Return why nobody listens on 127.0.0.1:`port`; None where somebody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return None
    except OSError as error:
        return f"nothing answers on port {port} yet ({error.strerror or error})"


def get_json(port: int, path: str) -> Any:
    """Return what `http://127.0.0.1:<port><path>` answers, as JSON.

    Raises:
        ConnectionError: it does not answer, or with an error; the text is one line.
    """
    try:
        return ask(f"http://127.0.0.1:{port}{path}", 1.5)
    except NoAnswer as error:
        raise ConnectionError(str(error).partition("\n")[0]) from error


def unanswered(port: int, path: str) -> str | None:
    """Return why `get_json` gets no answer, in one line; None where it does."""
    try:
        get_json(port, path)
    except ConnectionError as error:
        return str(error)
    return None
