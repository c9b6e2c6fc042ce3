"""Asking a venue over REST: one request, its answer's body, or an error that says whether to ask again."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
import msgspec

_TIMEOUT_SECONDS = 10.0
_LONGEST_TOLD = 300
# Binance's longest ban is three days; what is longer is a mistake.
_LONGEST_WAIT = 3 * 86400.0


Trouble = Literal["unreachable", "odd", "limit", "busy", "lacking"]
"""What is wrong: it can't be reached; its answer can't be read; we asked too much; it has too much to do; or it does
not have what was asked for (a path, a symbol, history), so that asking again soon is of no use."""


class VenueError(Exception):
    """The venue could not be reached, or did not answer as it should; it makes sense to ask again.

    `wait` is how many seconds it asked to be left alone, zero where it asked nothing.
    """

    def __init__(self, message: str, wait: float = 0.0, trouble: Trouble = "odd") -> None:
        super().__init__(message)
        self.wait = wait
        self.trouble = trouble


class VenueRefusal(Exception):
    """The venue will never answer from here, as HTTP 451 says: the configuration or the place must change."""


def retry_after(value: str | None, now: float) -> float:
    """Return the seconds that a `Retry-After` asks for: a number of them, or a date; zero if it is absent or odd.

    `now` is seconds since the epoch.
    """
    if value is None:
        return 0.0
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - now), _LONGEST_WAIT)
    except ValueError:
        return 0.0


def refusal(where: str) -> VenueRefusal:
    """Return the error for HTTP 451 from `where`."""
    return VenueRefusal(
        f"{where} answered 451, unavailable for legal reasons: the venue does not serve the country that this "
        "machine's address belongs to. Set another address in the settings, or leave the venue out; not tried again."
    )


class Allowance(msgspec.Struct, frozen=True):
    """What a venue tells of its limit: so much weight is left for so many seconds."""

    left: int
    seconds: float


Told = Callable[[Allowance], None]


def _unheard(_: Allowance) -> None:
    """Take what is told of a limit, and leave it."""


class Rest:
    """A venue's REST interface under one base address.

    `allowance` reads from a response what it tells of the limit, and `told` hears it.
    """

    def __init__(
        self,
        base: str,
        allowance: Callable[[httpx2.Response], Allowance | None] = lambda _: None,
        told: Told | None = None,
    ) -> None:
        self._base = base.rstrip("/")
        self._allowance = allowance
        self._told = told or _unheard
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=True)

    async def ask(self, method: Literal["GET", "POST"], path: str) -> httpx2.Response:
        """Return the response, read whole, whatever its status, but for 451.

        Raises:
            VenueError: the venue could not be reached.
            VenueRefusal: it answered 451.
        """
        url = f"{self._base}{path}"
        try:
            response = await self._client.request(method, url)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise VenueError(f"{url}: {str(error) or type(error).__name__}", trouble="unreachable") from error
        if (allowance := self._allowance(response)) is not None:
            self._told(allowance)
        if response.status_code == 451:
            raise refusal(url)
        return response

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._client.aclose()


def failure(response: httpx2.Response, wait: float, trouble: Trouble = "odd") -> VenueError:
    """Return the error for a response that is not what was asked for."""
    text = response.text[:_LONGEST_TOLD]
    return VenueError(f"{response.request.url}: HTTP {response.status_code} {text}", wait, trouble)
