"""Short questions over HTTP that are answered in JSON."""

from typing import Any

import httpx2


class NoAnswer(Exception):
    """A question was not answered, or with an error. `status` is the HTTP status where there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def ask(url: str, seconds: float = 2.0, *, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """Return the JSON answer to a GET, or to a POST of `body`, or to `method`.

    Proxies of the environment are used, but not for this machine.

    Raises:
        NoAnswer: nobody answered within `seconds`, or with an HTTP error, or not in JSON.
    """
    address = httpx2.URL(url)
    local = address.host in ("127.0.0.1", "localhost")
    # Reading the certificates takes longer than the question, and plain HTTP has no use for them.
    certificates = address.scheme == "https"
    try:
        with httpx2.Client(
            timeout=seconds, trust_env=not local, verify=certificates, follow_redirects=not local
        ) as client:
            answer = client.request(method or ("GET" if body is None else "POST"), url, json=body)
            if answer.status_code >= 400:
                raise NoAnswer(f"{url} answers {answer.status_code}: {answer.text[:500]}", answer.status_code)
            return answer.json() if answer.content else None
    except (httpx2.HTTPError, ValueError) as error:
        raise NoAnswer(f"{url} does not answer: {str(error) or type(error).__name__}") from error
