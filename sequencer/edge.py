"""The sequencer at work: reads `trades_in`, judges, and writes `trades` in transactions.

A process that lost its partitions without knowing (paused, cut off) can't commit any more: what it commits carries the
generation of the group that it belonged to. Where a transaction has to be aborted, the states hold trades that were not
written, so all are rebuilt, and reading starts again from what was committed. What can't be mended that way ends
the process.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from market.settings import Settings
from market.topics import TRADES_IN
from sequencer.core import Verdict
from sequencer.gaps import Ledger
from sequencer.kafka import Complaints, FatalError, await_topics, consumer_config
from sequencer.marks import Marks
from sequencer.partition import Partition, reopen, take
from sequencer.rebuild import Rebuilt, offset
from sequencer.tally import Tally
from sequencer.transaction import Aborted, Transaction
from sequencer.validity import Checker, Refused, check_mark
from sequencer.watchdog import Watchdog

_BATCH = 2_000
_STOP_CHECK_SECONDS = 0.2
_IDLE_SECONDS = 0.01
_HUNG_SECONDS = 8.0
_BEHIND = 1_000_000

_PASSED, _LATE, _PARTLY = Verdict.PASSED, Verdict.LATE, Verdict.PARTLY

_logger = logging.getLogger("sequencer")


class Sequencer:
    """Sequences the partitions that the consumer group gives it, until `stop` is set."""

    def __init__(self, settings: Settings, tally: Tally, stop: threading.Event) -> None:
        self._settings = settings
        self._tally = tally
        self._stop = stop
        self._checker = Checker()
        self._complaints = Complaints()
        self._watchdog = Watchdog(_HUNG_SECONDS)
        self._transaction = Transaction(settings, self._complaints, tally, self._pause)
        self._consumer = Consumer(consumer_config(settings, self._complaints))
        self._marks = Marks(settings, self._complaints)
        # A clock that never jumps, so that no wait is cut short or drawn out.
        self._clock_offset = time.time_ns() - time.monotonic_ns()
        self._commit_seconds = settings.sequencer.commit_ms / 1000
        self._partitions: dict[int, Partition] = {}
        self._joined = False
        self._reset_wanted = False
        self._leaving = False

    def run(self) -> None:
        """Work until told to stop; then commit and leave.

        Raises:
            FatalError: the topics don't fit, another process has taken this one's place, or Kafka refuses for good.
        """
        self._watchdog.start()
        try:
            await_topics(self._transaction.producer, self._settings.kafka.bootstrap, self._pause)
            if not self._stop.is_set():
                self._transaction.start()
                self._work()
        except KafkaException as error:
            raise FatalError(error.args[0].str()) from error
        finally:
            self._leaving = True
            self._tally.ready = False
            for partition in self._partitions.values():
                partition.rebuilding.close()
            # Leaving gives the partitions up, and their marks with them.
            self._consumer.close()
            self._marks.close()

    def _pause(self, seconds: float) -> bool:
        """Wait before something is tried again; True where there is no use in it, since the process is to stop."""
        self._watchdog.turned()
        return self._stop.wait(seconds)

    def _work(self) -> None:
        self._consumer.subscribe([TRADES_IN], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        report = 0.0
        while not self._stop.is_set():
            try:
                self._turn()
            except Aborted:
                self._reset_wanted = True
            if self._reset_wanted:
                self._reset()
            if time.monotonic() >= report:
                report = time.monotonic() + 1.0
                self._report()
        if self._transaction.begun is not None:
            self._commit()
        _logger.info("stopped", extra={"passed": sum(self._tally.trades.values())})

    def _turn(self) -> None:
        self._watchdog.turned()
        rebuilding = self._rebuild_some()
        messages = self._fetch(0.0 if rebuilding else self._patience())
        if self._complaints.fatal is not None:
            # Another process has this instance's name, or a restarted broker no longer knows who this is.
            raise FatalError(self._complaints.fatal.str())
        if self._reset_wanted:
            # A rebalance came while fetching. What was fetched will be read again from what is committed.
            return
        now = self._now()
        if messages:
            self._take(messages, now)
        self._heed(now)
        begun = self._transaction.begun
        if begun is not None and (not messages or time.monotonic() - begun >= self._commit_seconds):
            self._commit()

    def _now(self) -> int:
        """Return the local clock's time in microseconds."""
        return (time.monotonic_ns() + self._clock_offset) // 1000

    def _patience(self) -> float:
        """Return for how many seconds nothing has to be done where nothing comes."""
        judges = [partition.judge for partition in self._partitions.values()]
        dues = [judge.ledger.due for judge in judges if judge is not None and judge.ledger.due is not None]
        return max(0.0, min([_STOP_CHECK_SECONDS, *((due - self._now()) / 1e6 for due in dues)]))

    def _fetch(self, patience: float) -> list[Message]:
        """Return what has come, at once; where nothing has, wait for a first record: less while a commit is due."""
        if self._transaction.begun is not None:
            patience = min(patience, _IDLE_SECONDS)
        first = self._consumer.poll(patience)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_BATCH, timeout=0)]
        good = [message for message in messages if message.error() is None]
        if len(good) < len(messages):
            for message in messages:
                error = message.error()
                if error is not None:
                    self._complaints(error)
        return good

    def _take(self, messages: list[Message], now: int) -> None:
        """Judge the messages and write them where they belong. Every trade goes through here: keep it lean."""
        transaction, check = self._transaction, self._checker.check
        transaction.begin()
        for partition in self._partitions.values():
            if partition.judge is not None:
                partition.judge.ledger.now = now
        for message in messages:
            number: int = message.partition()  # type: ignore[assignment]  # a message without an error has one
            found = self._partitions.get(number)
            if found is None or found.judge is None:
                continue
            key: bytes = message.key()  # type: ignore[assignment]  # None is refused below
            value: bytes = message.value()  # type: ignore[assignment]  # likewise
            judge = found.judge
            newest = judge.newest
            try:
                trade = check(key, value)
            except Refused as refusal:
                transaction.refuse(value, str(refusal), refusal.venue)
            else:
                verdict = judge.judge(trade)
                transaction.outcomes[trade.venue, verdict] += 1
                if verdict is _PASSED:
                    if trade.event_time < newest - _BEHIND and (behind := judge.behind(trade)) > _BEHIND:
                        value = b'%s,"behind":%d}' % (value.rstrip()[:-1], behind)
                    transaction.pass_on(number, key, value, newest)
                    if trade.event_time > transaction.newest.get(trade.venue, -1):
                        transaction.newest[trade.venue] = trade.event_time
                elif verdict is _LATE:
                    transaction.set_late(key, value)
                elif verdict is _PARTLY:
                    reason = f"of the ids {trade.first_id} to {trade.last_id} some were seen before and some were not"
                    transaction.refuse(value, reason, trade.venue)
            found.next_offset = transaction.offsets[number] = offset(message) + 1

    def _heed(self, now: int) -> None:
        """Take in what feed marks and the clock say of gaps, and write what the ledgers have to say."""
        transaction = self._transaction
        self._marks.fetch()
        for number, partition in self._partitions.items():
            if partition.judge is None:
                continue
            ledger = partition.judge.ledger
            ledger.now = now
            ledger.expire()
            self._note(number, ledger)
            while (message := self._marks.ready(number, partition.next_offset)) is not None:
                transaction.begin()
                at = offset(message)
                key, value = message.key(), message.value()
                try:
                    mark = check_mark(key, value)
                except Refused as refusal:
                    transaction.refuse(value, str(refusal), refusal.venue)
                else:
                    ledger.mark(mark, at)
                    self._note(number, ledger)
                transaction.mark_offsets[number] = at + 1
                # A gap of days means thousands of candles, and after an outage there is one a symbol.
                if transaction.begun is not None and time.monotonic() - transaction.begun >= self._commit_seconds:
                    self._commit()
                    self._watchdog.turned()

    def _note(self, number: int, ledger: Ledger) -> None:
        if ledger.out:
            self._transaction.begin()
            for record in ledger.out:
                self._transaction.note(number, record)
            ledger.out.clear()

    def _commit(self) -> None:
        now = self._now()
        for number, partition in self._partitions.items():
            judge, snapshots = partition.judge, partition.snapshots
            if judge is not None and snapshots.due(judge.newest, now):
                for key, value in snapshots.changed(judge.states(), judge.newest, now):
                    self._transaction.write_down(number, key, value)
        self._transaction.commit(self._consumer.consumer_group_metadata())

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        take(consumer, numbers)
        self._joined = True
        self._renew(numbers)

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if self._transaction.begun is not None and not self._leaving:
            try:
                self._commit()
            except Aborted:
                self._reset_wanted = True
        self._drop(partitions)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # The transaction may hold trades of these partitions, which are another's now.
        self._reset_wanted = True
        self._drop(partitions)

    def _drop(self, partitions: list[TopicPartition]) -> None:
        numbers = sorted(partition.partition for partition in partitions)
        self._marks.drop(numbers)
        for number in numbers:
            gone = self._partitions.pop(number, None)
            if gone is not None:
                gone.rebuilding.close()
        _logger.info("gave up partitions", extra={"partitions": numbers})
        self._report()

    def _reset(self) -> None:
        self._reset_wanted = False
        self._tally.resets += 1
        self._transaction.abort("the partitions have moved")
        self._renew(list(self._partitions))

    def _renew(self, partitions: Iterable[int]) -> None:
        """Read no more of these partitions until their states are rebuilt."""
        numbers = sorted(partitions)
        self._consumer.pause([TopicPartition(TRADES_IN, number) for number in numbers])
        self._marks.drop(numbers)
        for number in numbers:
            old = self._partitions.get(number)
            if old is not None:
                old.rebuilding.close()
            self._partitions[number] = Partition(self._reopen(number))
        _logger.info("rebuilding the states of partitions", extra={"partitions": numbers})
        self._report()

    def _rebuild_some(self) -> bool:
        """Go on with the first partition that has no state yet; False where all have theirs."""
        for number, partition in self._partitions.items():
            if partition.judge is None:
                try:
                    next(partition.rebuilding)
                except StopIteration as done:
                    partition.judge, partition.snapshots = done.value
                    seconds = time.monotonic() - partition.since
                    self._tally.rebuild_seconds.observe(seconds)
                    _logger.info("partition ready", extra={"partition": number, "seconds": round(seconds, 3)})
                return True
        return False

    def _reopen(self, number: int) -> Generator[None, None, Rebuilt]:
        """Rebuild the state of a partition and let reading start where its last owner stopped."""
        opened = yield from reopen(self._consumer, self._settings, self._complaints, number, self._now())
        self._partitions[number].next_offset = opened.start
        self._consumer.resume([TopicPartition(TRADES_IN, number)])
        self._marks.add(number, opened.marks_start)
        return opened.rebuilt

    def _report(self) -> None:
        partitions = self._partitions
        self._tally.partitions = tuple(sorted(partitions))
        self._tally.ready = self._joined and all(partition.judge is not None for partition in partitions.values())
        behind = 0
        for number, partition in partitions.items():
            # What the newest fetch told; no request of its own.
            _, high = self._consumer.get_watermark_offsets(TopicPartition(TRADES_IN, number), cached=True)
            behind += max(0, high - partition.next_offset)
        self._tally.behind = behind
        judges = (partition.judge for partition in partitions.values())
        gaps = (gap for judge in judges if judge is not None for gap in judge.ledger.open_gaps())
        self._tally.gaps_open = Counter(gap.venue for gap in gaps if gap.kind != "start")
