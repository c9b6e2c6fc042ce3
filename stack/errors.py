"""What can go wrong while the stack is set up or started, told with what to do about it."""


class StackError(Exception):
    """A part of the stack cannot be made or started.

    `message` says what is wrong, `remedy` what a person can do; the command prints both.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()
