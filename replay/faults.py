"""Misbehaviour of the market on localhost as a plan: which faults there are, and scripts of them drawn by a seed.

Times are the market's, in microseconds since the epoch, UTC. `replay.chaos` plays what is planned here.

| kind | what happens |
|---|---|
| `close`, `reset` | the connection is closed as it should be, or by a TCP reset |
| `half_open` | nothing comes any more, not even pongs, though TCP stays open; after `duration`, where given, a reset |
| `mute` | data stop, for `duration` where given, though pings, pongs and acks go on |
| `token_expired` | tokens issued so far are refused from now on, and sessions end for it |
| `shutdown` | Binance's notice, and the close `duration` after it |
| `skipped`, `repeated`, `reordered` | the next `count` messages of trades never come, come twice, or disordered |
| `late`, `malformed` | they come `delay` later; or broken, or with a field of a wrong type in their place |
| `rest_429`, `rest_418` | Binance refuses all requests for `duration`, with `Retry-After` |
| `rest_429000`, `rest_429000_bare` | so does KuCoin, with its headers; or only those of the past, without |
| `halt` | for `duration` no data, no new connections, no REST; what traded meanwhile REST has afterwards |
| `delisted`, `suspended` | `symbols` leave the list, or are halted in it, for `duration` where given; no data of them |
| `renamed` | KuCoin's `symbols` have another name and `base` asset, and keep their code |

The last three come only where they are asked for, never in a script that is drawn. What a pair that is not listed would
have traded is in REST afterwards, as after a `halt`.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec

from market.records import VENUES, Venue

Kind = Literal[
    "close", "reset", "half_open", "mute", "token_expired", "shutdown",
    "skipped", "repeated", "reordered", "late", "malformed",
    "rest_429", "rest_418", "rest_429000", "rest_429000_bare",
    "halt",
]  # fmt: skip

ListKind = Literal["delisted", "suspended", "renamed"]
"""Kinds of changes of a venue's list of pairs."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of which storms are made."""
LISTS: frozenset[ListKind] = frozenset(get_args(ListKind))
DISCONNECTS: frozenset[Kind] = frozenset(("close", "reset", "half_open", "mute", "token_expired", "shutdown"))
"""After these a client has to connect anew."""
MESSAGES: frozenset[Kind] = frozenset(("skipped", "repeated", "reordered", "late", "malformed"))
"""These change what comes on a connection that stays."""

VENUES_OF: dict[Kind | ListKind, tuple[Venue, ...]] = {
    **dict.fromkeys((*KINDS, *LISTS), VENUES),
    **dict.fromkeys(("shutdown", "rest_429", "rest_418"), ("binance",)),
    **dict.fromkeys(("token_expired", "rest_429000", "rest_429000_bare", "renamed"), ("kucoin",)),
}

STORM: dict[Kind, int] = {
    "close": 36, "reset": 36, "half_open": 6, "mute": 8, "token_expired": 10, "shutdown": 10,
    "skipped": 20, "repeated": 20, "reordered": 20, "late": 16, "malformed": 12,
    "rest_429": 4, "rest_418": 2, "rest_429000": 4, "rest_429000_bare": 6,
    "halt": 2,
}  # fmt: skip
"""Faults of each kind that make a storm of twenty minutes: over a hundred disconnects."""

_SECOND = 1_000_000

Micros = Annotated[int, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of a kind that `replay.chaos` knows how to make.

    `at` is the earliest time that it may come, `duration` how long it lasts where the kind has a duration. `symbols`
    are canonical; none means all. Of the connections that carry trades of these, `share` are hit, at least one, drawn
    by `seed`. `count` messages of each symbol are touched; `delay` is how much later they come. `base` is the venue's
    code of the asset that renamed pairs are of from then on.
    """

    kind: Kind | ListKind
    venue: Venue
    at: Micros
    duration: Micros = 0
    symbols: tuple[str, ...] = ()
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    delay: Micros = 0
    seed: int = 0
    base: str = ""

    def __post_init__(self) -> None:
        """Refuse a kind that the venue does not know, and one that lacks what it needs."""
        if self.venue not in VENUES_OF[self.kind]:
            raise ValueError(f"{self.kind} is not known at {self.venue}")
        if self.kind in LISTS and not self.symbols:
            raise ValueError(f"{self.kind} needs symbols")
        if (self.kind == "renamed") != bool(self.base):
            raise ValueError("base is for renamed, which needs it")


def decode(text: bytes | str, now: int) -> list[Fault]:
    """Read one fault or a list of them. In the place of `at` there may be `in`, counted from `now`; without both: now.

    Raises:
        ValueError: it is no JSON, or not of that form; the text says what is wrong.
    """
    given = msgspec.json.decode(text)
    return [_fault(each, now) for each in (given if isinstance(given, list) else [given])]


def encode(faults: Sequence[Fault]) -> bytes:
    """Return the faults as a JSON list that `decode` reads."""
    return msgspec.json.encode(faults)


def script(seed: int, start: int, end: int, symbols: Sequence[str], counts: Mapping[Kind, int] = STORM) -> list[Fault]:
    """Return `counts` faults of each kind between `start` and `end`, in order of time: the same at every call.

    They are spread evenly over the venues that know the kind. What is drawn for one kind does not depend on the others.
    """
    found = []
    for kind in KINDS:
        draw = random.Random(f"{seed} {kind}")  # noqa: S311
        venues = VENUES_OF[kind]
        first = draw.randrange(len(venues))
        found += [
            _drawn(draw, kind, venues[(first + number) % len(venues)], draw.randrange(start, end), symbols)
            for number in range(counts.get(kind, 0))
        ]
    return sorted(found, key=lambda fault: (fault.at, fault.kind, fault.seed))


def _fault(given: Any, now: int) -> Fault:
    if not isinstance(given, dict):
        raise msgspec.ValidationError("Expected `object` or `array` of them")
    given = dict(given)
    wait = given.pop("in", 0)
    if not isinstance(wait, int) or wait < 0:
        raise msgspec.ValidationError("Expected `int` >= 0 - at `$.in`")
    return msgspec.convert({"at": now + wait, **given}, Fault)


def _drawn(draw: random.Random, kind: Kind, venue: Venue, at: int, symbols: Sequence[str]) -> Fault:
    seed = draw.randrange(1 << 31)
    if kind in MESSAGES:
        chosen = tuple(sorted(draw.sample(list(symbols), min(len(symbols), draw.randint(1, 4)))))
        return Fault(
            kind,
            venue,
            at,
            duration=30 * _SECOND,
            symbols=chosen,
            share=draw.choice((1.0, 1.0, 0.5)),
            count=draw.randint(3, 8) if kind == "reordered" else draw.randint(1, 6),
            delay=draw.randint(1, 15) * _SECOND if kind == "late" else 0,
            seed=seed,
        )
    if kind == "shutdown":
        return Fault(kind, venue, at, duration=draw.randint(2, 10) * _SECOND, share=draw.choice((0.1, 1.0)), seed=seed)
    if kind == "mute":
        # Half of them end before anybody can have noticed.
        lasts = draw.choice((0, draw.randint(5, 20) * _SECOND))
        return Fault(kind, venue, at, duration=lasts, share=draw.choice((0.1, 0.5)), seed=seed)
    if kind in DISCONNECTS:
        return Fault(kind, venue, at, share=draw.choice((0.1, 0.5, 1.0)), seed=seed)
    return Fault(kind, venue, at, duration=draw.randint(5, 20) * _SECOND, seed=seed)
