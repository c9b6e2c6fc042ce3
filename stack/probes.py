"""Quick questions to local servers, each answered or given up within two seconds."""

import http.client
import json
import socket
from typing import Any


def refused(port: int) -> str | None:
    """Return why nobody listens on 127.0.0.1:`port`; None where somebody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return None
    except OSError as error:
        return f"nothing answers on port {port} yet ({error.strerror or error})"


def get_json(port: int, path: str) -> Any:
    """Return what `http://127.0.0.1:<port><path>` answers with 200, as JSON.

    Raises:
        ConnectionError: it does not answer so; the text is one line.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"port {port} answers {path} with {answer.status} {answer.reason}")
        return json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, ConnectionError) and error.errno is None:
            raise
        raise ConnectionError(f"no answer on port {port} yet ({error})") from error
    finally:
        connection.close()
