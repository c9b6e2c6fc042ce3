"""Marks: whatever a connection goes through, each trade has come or lies within what was told as lost or suspect."""

from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.coverage import Carrier, Coverage
from market.records import FeedMark, Lost, Regained, Suspect

BOTH = ("A-USDT", "B-USDT")


def connected(*symbols: str) -> tuple[Coverage, Carrier]:
    """Return a connection that has delivered a trade of time 100."""
    coverage = Coverage("kucoin", "1", symbols)
    carrier = coverage.open()
    coverage.subscribed(carrier, symbols)
    coverage.trade(carrier, 100)
    return coverage, carrier


def test_a_feed_begins_with_the_first_trade_after_every_subscription_is_answered() -> None:
    coverage = Coverage("kucoin", "1", BOTH)
    carrier = coverage.open()
    assert coverage.trade(carrier, 90) == []
    coverage.subscribed(carrier, BOTH)
    assert coverage.trade(carrier, 100) == [Regained("kucoin", symbol, "1", 100, "start") for symbol in BOTH]
    assert coverage.trade(carrier, 110) == []


def test_an_end_is_told_for_every_symbol_with_the_newest_time_of_any() -> None:
    coverage, carrier = connected(*BOTH)
    coverage.trade(carrier, 120)
    coverage.trade(carrier, 110)
    assert coverage.ended(carrier, "reset") == [Lost("kucoin", symbol, "1", 120, "reset") for symbol in BOTH]
    later = coverage.open()
    assert coverage.ended(later, "reset again") == []


def test_a_return_is_no_start() -> None:
    coverage, carrier = connected("A-USDT")
    coverage.ended(carrier, "reset")
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    assert coverage.trade(carrier, 130) == [Regained("kucoin", "A-USDT", "1", 130, "reconnect")]


def test_a_feed_that_cannot_be_had_is_lost_from_a_time_that_nobody_knows() -> None:
    coverage = Coverage("binance", "1", ["A-USDT"])
    assert coverage.unreachable("refused") == [Lost("binance", "A-USDT", "1", None, "refused")]
    assert coverage.unreachable("refused") == []
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    assert coverage.trade(carrier, 50) == [Regained("binance", "A-USDT", "1", 50, "start")]
    assert coverage.unreachable("refused") == []


def test_a_symbol_whose_subscription_was_refused_does_not_return() -> None:
    coverage, carrier = connected(*BOTH)
    coverage.ended(carrier, "reset")
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    assert coverage.trade(carrier, 130) == [Regained("kucoin", "A-USDT", "1", 130, "reconnect")]


def test_a_straggler_proves_no_return() -> None:
    coverage, carrier = connected("A-USDT")
    coverage.ended(carrier, "reset")
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    assert coverage.trade(carrier, 60) == []
    assert coverage.trade(carrier, 100) == []
    assert coverage.trade(carrier, 150) == [Regained("kucoin", "A-USDT", "1", 150, "reconnect")]


def test_a_market_whose_clock_was_set_back_returns_all_the_same() -> None:
    coverage, carrier = connected("A-USDT")
    coverage.ended(carrier, "reset")
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    marks = [mark for time in range(20) for mark in coverage.trade(carrier, time)]
    assert marks == [Regained("kucoin", "A-USDT", "1", 9, "reconnect")]
    assert coverage.ended(carrier, "reset") == [Lost("kucoin", "A-USDT", "1", 19, "reset")]


def test_a_planned_replacement_is_not_told() -> None:
    coverage, old = connected("A-USDT")
    new = coverage.open()
    assert coverage.takes_over(old, new, patient=False) is None
    coverage.subscribed(new, ["A-USDT"])
    assert coverage.takes_over(old, new, patient=False) is None
    assert coverage.trade(new, 110) == []
    assert coverage.takes_over(old, new, patient=False) is None
    assert coverage.trade(old, 110) == []
    assert coverage.takes_over(old, new, patient=False)
    assert coverage.ended(old, "24 h", replaced=True) == []
    assert coverage.ended(new, "reset") == [Lost("kucoin", "A-USDT", "1", 110, "reset")]


def test_on_a_quiet_stream_patience_is_enough_for_a_replacement() -> None:
    coverage, old = connected("A-USDT")
    new = coverage.open()
    assert coverage.takes_over(old, new, patient=True) is False
    coverage.subscribed(new, ["A-USDT"])
    assert coverage.takes_over(old, new, patient=True)
    assert coverage.ended(old, "24 h", replaced=True) == []
    assert coverage.trade(new, 200) == []


def test_a_replacement_that_stays_mute_is_none() -> None:
    coverage, old = connected("A-USDT")
    new = coverage.open()
    coverage.subscribed(new, ["A-USDT"])
    coverage.trade(old, 110)
    assert coverage.takes_over(old, new, patient=True) is False
    assert coverage.ended(new, "mute") == []


def test_a_replacement_that_was_refused_a_symbol_is_none() -> None:
    coverage, old = connected(*BOTH)
    new = coverage.open()
    coverage.subscribed(new, ["A-USDT"])
    coverage.trade(old, 110)
    coverage.trade(new, 110)
    assert coverage.takes_over(old, new, patient=False) is False


def test_a_socket_that_died_unseen_before_its_replacement_came_is_told() -> None:
    coverage, old = connected("A-USDT")
    new = coverage.open()
    coverage.subscribed(new, ["A-USDT"])
    coverage.trade(new, 300)
    assert coverage.takes_over(old, new, patient=False) is None
    assert coverage.takes_over(old, new, patient=True)
    assert coverage.ended(old, "24 h", replaced=True) == [
        Lost("kucoin", "A-USDT", "1", 100, "24 h"),
        Regained("kucoin", "A-USDT", "1", 300, "reconnect"),
    ]


def test_silence_is_a_loss_and_a_trade_a_return_though_the_socket_stays_open() -> None:
    coverage, carrier = connected("A-USDT")
    assert coverage.fell_silent(carrier, "mute") == [Lost("kucoin", "A-USDT", "1", 100, "mute")]
    assert coverage.fell_silent(carrier, "mute") == []
    assert coverage.trade(carrier, 400) == [Regained("kucoin", "A-USDT", "1", 400, "reconnect")]


def test_a_dropped_trade_is_suspect_between_the_trades_around_it() -> None:
    coverage, carrier = connected(*BOTH)
    coverage.doubt(carrier, ["A-USDT", "C-USDT"])
    assert coverage.trade(carrier, 95) == []
    assert coverage.trade(carrier, 120) == [Suspect("kucoin", "A-USDT", 100, 120, "dropped")]
    assert coverage.trade(carrier, 130) == []


def test_what_was_dropped_just_before_a_loss_is_part_of_it() -> None:
    coverage, carrier = connected("A-USDT")
    coverage.doubt(carrier, ["A-USDT"])
    assert coverage.ended(carrier, "reset") == [Lost("kucoin", "A-USDT", "1", 100, "reset")]
    carrier = coverage.open()
    coverage.subscribed(carrier, ["A-USDT"])
    coverage.doubt(carrier, ["A-USDT"])
    assert coverage.trade(carrier, 120) == [Regained("kucoin", "A-USDT", "1", 120, "reconnect")]
    assert coverage.trade(carrier, 130) == []


class Market:
    """A market, a connection to it and all that can befall them. Trades have rising times, each its own."""

    def __init__(self) -> None:
        self.coverage = Coverage("kucoin", "1", BOTH)
        self.sockets: list[Carrier] = []
        self.mute: set[int] = set()
        self.marks: list[FeedMark] = []
        self.times = count(1)
        self.made: list[tuple[str, int]] = []
        self.came: set[tuple[str, int]] = set()

    def trade(self, symbol: str, spoilt: bool) -> None:
        time = next(self.times)
        self.made.append((symbol, time))
        for number, socket in enumerate(self.sockets):
            if symbol not in socket.symbols or id(socket) in self.mute:
                continue
            if spoilt and number == 0:
                self.coverage.doubt(socket, [symbol])
            else:
                self.came.add((symbol, time))
                self.marks += self.coverage.trade(socket, time)

    def open(self) -> None:
        if len(self.sockets) < 2:
            self.sockets.append(self.coverage.open())

    def subscribe(self, all_of_them: bool) -> None:
        for socket in self.sockets:
            if not socket.answered:
                self.coverage.subscribed(socket, BOTH if all_of_them else BOTH[:1])
                return

    def end(self, number: int) -> None:
        if number < len(self.sockets):
            socket = self.sockets.pop(number)
            self.mute.discard(id(socket))
            self.marks += self.coverage.ended(socket, "reset")

    def replace(self, patient: bool) -> None:
        if len(self.sockets) == 2:
            old, new = self.sockets
            # That both are quiet by chance just after the old one died unseen is what nobody could know.
            unknowable = id(old) in self.mute and old.since is not None and new.since is None
            if not unknowable and self.coverage.takes_over(old, new, patient=patient):
                self.sockets.remove(old)
                self.mute.discard(id(old))
                self.marks += self.coverage.ended(old, "24 h", replaced=True)

    def silence(self, number: int) -> None:
        if number < len(self.sockets):
            self.mute.add(id(self.sockets[number]))

    def wake(self) -> None:
        """Let mute sockets speak again, once their silence was noticed."""
        for socket in self.sockets:
            if id(socket) in self.mute:
                self.marks += self.coverage.fell_silent(socket, "mute")
                self.mute.discard(id(socket))


steps = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(BOTH), st.booleans()),
    st.tuples(st.just("trade"), st.sampled_from(BOTH), st.just(False)),
    st.just(("open",)),
    st.tuples(st.just("subscribe"), st.sampled_from([True, True, True, False])),
    st.tuples(st.just("end"), st.integers(0, 1)),
    st.tuples(st.just("replace"), st.booleans()),
    st.tuples(st.just("silence"), st.integers(0, 1)),
    st.just(("wake",)),
)


@settings(max_examples=500)
@given(st.lists(steps, min_size=30, max_size=80))
def test_every_trade_has_come_or_lies_in_what_was_told(script: list[tuple[object, ...]]) -> None:
    market = Market()
    for name, *arguments in script:
        getattr(market, str(name))(*arguments)
    while market.sockets:
        market.end(0)
    for symbol in BOTH:
        told = [mark for mark in market.marks if mark.symbol == symbol]
        changes = [mark for mark in told if isinstance(mark, Lost | Regained)]
        assert all(type(a) is not type(b) for a, b in pairwise(changes))
        reasons = [mark.reason for mark in changes if isinstance(mark, Regained)]
        assert reasons == ["start", *["reconnect"] * (len(reasons) - 1)][: len(reasons)]
        begun = next((mark.time for mark in changes if isinstance(mark, Regained)), None)
        if begun is None:
            continue
        doubtful: list[tuple[float, float]] = []
        for mark in told:
            if isinstance(mark, Suspect):
                doubtful.append((mark.from_time, mark.to_time))
            elif isinstance(mark, Lost) and mark.time is not None:
                doubtful.append((mark.time, float("inf")))
            elif isinstance(mark, Regained) and doubtful and doubtful[-1][1] == float("inf"):
                doubtful[-1] = (doubtful[-1][0], mark.time)
        for trade in market.made:
            if trade[0] == symbol and trade[1] >= begun and trade not in market.came:
                assert any(since < trade[1] < until for since, until in doubtful), (trade, told)
