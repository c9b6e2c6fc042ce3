"""Which subscribed symbols have never sent anything. Pure.

Both venues acknowledge a subscription to a symbol that does not exist and then stay silent, so this is the only way
to know.
"""

from collections.abc import Collection, Iterable


class Silence:
    """The followed symbols of one venue that have not been heard yet. Times are seconds of a monotonic clock.

    Only what a symbol was subscribed by name for counts; a channel that sends the whole market proves nothing.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._heard: set[str] = set()
        self._closed: frozenset[str] = frozenset()
        self.waiting: dict[str, float] = {}
        self.silent: set[str] = set()

    def watch(self, symbols: Iterable[str], now: float) -> None:
        """Expect these symbols from now on, unless they are expected already or have been heard."""
        for symbol in symbols:
            if symbol not in self._heard and symbol not in self.silent and symbol not in self._closed:
                self.waiting.setdefault(symbol, now)

    def close(self, symbols: Collection[str], now: float) -> None:
        """Expect nothing of these symbols, since they do not trade; and anew of those of which that was said before."""
        closed = frozenset(symbols)
        opened = self._closed - closed
        for symbol in closed - self._closed:
            self._heard.discard(symbol)
            self.waiting.pop(symbol, None)
            self.silent.discard(symbol)
        self._closed = closed
        self.watch(opened, now)

    def heard(self, symbol: str) -> None:
        """Take note that the symbol has sent something."""
        if symbol not in self._heard:
            self._heard.add(symbol)
            self.waiting.pop(symbol, None)
            self.silent.discard(symbol)

    def due(self, now: float) -> list[str]:
        """Return the symbols that are to be reported now; each is returned once."""
        found = sorted(symbol for symbol, since in self.waiting.items() if now - since >= self._patience)
        for symbol in found:
            del self.waiting[symbol]
            self.silent.add(symbol)
        return found
