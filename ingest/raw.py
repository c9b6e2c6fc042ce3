"""Frames, verbatim, gathered into the batches that the raw topics hold."""

from market.records import RawFrame, encode_raw

# Far below what a broker takes as one record, a megabyte, even where every other character has to be escaped.
_BATCH_CHARACTERS = 400_000


class RawBatch:
    """The frames of one connection that wait for their batch to fill. `most` is how many a batch may have."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._frames: list[RawFrame] = []
        self._characters = 0

    def add(self, receive_time: int, text: str) -> bytes | None:
        """Add a frame, received at `receive_time` (nanoseconds); return a batch if one is full, else None."""
        full = None
        if self._frames and self._characters + len(text) > _BATCH_CHARACTERS:
            full = self.take()
        self._frames.append((receive_time, text))
        self._characters += len(text)
        if full is None and len(self._frames) >= self._most:
            full = self.take()
        return full

    def take(self) -> bytes | None:
        """Return what is gathered as one batch, or None if there is nothing."""
        if not self._frames:
            return None
        batch = encode_raw(self._frames)
        self._frames, self._characters = [], 0
        return batch
