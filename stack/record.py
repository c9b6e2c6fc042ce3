"""`./pricebraid record`: the frames that the running stack receives, from its raw topics into a recording."""

import gzip
import re
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from market.records import RawFrame, decode_raw
from market.settings import Settings
from market.topics import RAW
from stack.attach import Interrupted
from stack.environment import effective
from stack.errors import StackError

_NS = 1_000_000_000
# The last frames wait for their batch, then for the broker.
_PATIENCE_SECONDS = 3.0


def start_time(text: str, now: float) -> int | None:
    """Return from which time on to record, nanoseconds since the epoch: `now`, an ISO time, or None for `start`.

    A time without a zone is UTC.

    Raises:
        StackError: it is none of these.
    """
    if text == "start":
        return None
    if text == "now":
        return int(now * _NS)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StackError(
            f"--from {text} is no time.", "Give now, start, or a time such as 2026-01-31T12:00Z."
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000


def file_name(venue: str, connection: str) -> str:
    """Return the name of the file for a connection; the venue stands in it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", connection).strip("-.") or "1"
    return f"{plain if plain.startswith(f'{venue}-') else f'{venue}-{plain}'}.frames.gz"


def line(frame: RawFrame) -> str:
    """Return a frame as a line of a recording.

    A newline in JSON can only be white space between its tokens, so a space in its place says the same.
    """
    received, text = frame
    if "\n" in text or "\r" in text:
        text = text.replace("\r", " ").replace("\n", " ")
    return f"{received} {text}\n"


def prepare(folder: Path) -> None:
    """Make the folder.

    Raises:
        StackError: it holds a recording already, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{folder} cannot be made: {error}.", "Give another folder.") from error
    there = sorted(folder.glob("*.frames.gz"))
    if there:
        raise StackError(f"{folder} holds a recording already ({there[0].name}).", "Give another folder.")


class Writer:
    """Writes frames into a file a venue and connection, and counts them."""

    def __init__(self, folder: Path, begin: int | None, end: int | None) -> None:
        """Frames received before `begin` or from `end` on (nanoseconds) are left out."""
        self._folder = folder
        self.begin = begin
        self.end = end
        self._files: dict[tuple[str, str], IO[str]] = {}
        self._open = ExitStack()
        self.frames = 0
        self.newest: dict[str, int] = {}

    def write(self, venue: str, connection: str, frames: list[RawFrame]) -> None:
        """Write those of the frames that belong into the recording."""
        for frame in frames:
            self.newest[venue] = max(self.newest.get(venue, 0), frame[0])
            early = self.begin is not None and frame[0] < self.begin
            if early or (self.end is not None and frame[0] >= self.end):
                continue
            file = self._files.get((venue, connection))
            if file is None:
                path = self._folder / file_name(venue, connection)
                file = gzip.open(path, "xt", encoding="utf-8", newline="\n", compresslevel=6)  # noqa: SIM115
                self._open.callback(file.close)
                self._files[venue, connection] = file
            file.write(line(frame))
            self.frames += 1

    def full(self) -> bool:
        """Tell whether every venue that was seen has passed the end."""
        return self.end is not None and bool(self.newest) and min(self.newest.values()) >= self.end

    def close(self) -> list[Path]:
        """End the files; return their paths."""
        self._open.close()
        return [self._folder / file_name(*key) for key in self._files]


def record(settings: Settings, folder: Path, *, seconds: float | None, start: str, console: Console) -> None:
    """Write a recording from a time on, for so many seconds of receive time, or until interrupted.

    Raises:
        StackError: the folder holds a recording, or the broker does not answer.
    """
    now = time.time()
    begin = start_time(start, now)
    prepare(folder)
    end = None if seconds is None or begin is None else begin + int(seconds * _NS)
    writer = Writer(folder, begin, end)
    consumer = Consumer(
        {
            "bootstrap.servers": effective(settings).kafka.bootstrap,
            "group.id": "pricebraid-record",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.assign(_positions(consumer, begin))
        _copy(consumer, writer, seconds, console)
    except KafkaException as error:
        raise StackError(f"The broker does not give the raw frames: {error.args[0]}.") from error
    except FileExistsError as error:
        raise StackError(f"{error.filename} is there already.", "Give another folder.") from error
    finally:
        consumer.close()
        files = writer.close()
        console.print(f"{writer.frames:,} frames in {len(files)} files in {folder}", highlight=False)
    if files:
        console.print(f"Play them with `./pricebraid up --market {folder}`.", highlight=False)


def _positions(consumer: Consumer, begin: int | None) -> list[TopicPartition]:
    """Return where to begin in each raw topic: a batch is stamped when it is sent, after its frames were received."""
    topics = consumer.list_topics(timeout=10).topics
    partitions = [(topic, number) for topic in RAW.values() if topic in topics for number in topics[topic].partitions]
    if begin is None:
        return [TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in partitions]
    wanted = [TopicPartition(topic, number, begin // 1_000_000) for topic, number in partitions]
    return consumer.offsets_for_times(wanted, timeout=10)


def _copy(consumer: Consumer, writer: Writer, seconds: float | None, console: Console) -> None:
    venues = {topic: venue for venue, topic in RAW.items()}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    last_message = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("no frame yet")
        try:
            while not writer.full():
                message = consumer.poll(0.25)
                progress.update(task, description=f"{writer.frames:,} frames")
                if message is not None:
                    last_message = time.monotonic()
                    _take(message, venues, writer, seconds)
                elif _past(writer.end) and time.monotonic() - last_message > _PATIENCE_SECONDS:
                    # A venue that is silent never shows a frame from after the end.
                    return
        except Interrupted:
            return


def _past(end: int | None) -> bool:
    return end is not None and time.time() > end / _NS + _PATIENCE_SECONDS


def _take(message: Message, venues: dict[str, str], writer: Writer, seconds: float | None) -> None:
    error = message.error()
    if error is not None:
        raise KafkaException(error)
    frames = decode_raw(message.value() or b"[]")
    if writer.end is None and seconds is not None and frames:
        # From the start of the topics: the seconds count from the first frame that is read.
        writer.end = frames[0][0] + int(seconds * _NS)
    key = message.key() or b"1"
    writer.write(venues[message.topic() or ""], key.decode() if isinstance(key, bytes) else key, frames)
