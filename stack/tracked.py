"""What is known of a job while it is kept."""

from concurrent.futures import Future

from stack.errors import StackError
from stack.submit import Definition


class Tracked:
    """A job that is kept. Times are of the monotonic clock, but `restored_at`: milliseconds, as Flink tells it."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.job_id: str | None = None
        self.submission: Future[None] | None = None
        self.restarts = 0
        self.failures = 0
        self.not_before = 0.0
        self.healthy_since: float | None = None
        self.was_healthy = False
        self.restored_from: str | None = None
        self.restored_at: int | None = None
        self.doubtful_until = 0.0
        self.reason: str | None = None
        self.error: StackError | None = None
