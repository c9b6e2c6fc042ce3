"""Numbers and times as the venues write them, read strictly: whatever is odd is `Unfit`, with the reason."""

from market import decimals

_MICROSECONDS_2010 = 1_262_304_000_000_000
_MICROSECONDS_2100 = 4_102_444_800_000_000
_LONGEST_ID = 18


class Unfit(ValueError):
    """A field that cannot be what it should be; the text says which and why."""


def priced(price: str, size: str) -> tuple[str, str, str]:
    """Return a trade's price, size and their exact product as plain decimal strings.

    Raises:
        Unfit: one is no plain number, is not above zero, or does not fit.
    """
    try:
        return decimals.priced(price, size)
    except decimals.UnfitNumber as error:
        raise Unfit(str(error)) from None


def amount(text: str | None) -> str | None:
    """Return a volume or size as a plain decimal string, or None where the venue gives none.

    Raises:
        Unfit: it is no plain number, is below zero, or does not fit.
    """
    if text is None:
        return None
    try:
        number = decimals.parse(text)
        if number < 0:
            raise Unfit(f"{text!r} is below zero")
        return decimals.plain(number)
    except decimals.UnfitNumber as error:
        raise Unfit(str(error)) from None


def price(text: str | None) -> str | None:
    """Return a price as a plain decimal string; None where there is none, which the venues also write as zero.

    Raises:
        Unfit: it is no plain number, is below zero, or does not fit.
    """
    number = amount(text)
    return None if number == "0" else number


def microseconds(value: int, per_unit: int, name: str) -> int:
    """Return a time as microseconds since the epoch; `per_unit` is how many of those the venue's unit has.

    Raises:
        Unfit: it is not between 2010 and 2100, as when the unit is not the expected one.
    """
    time = value * per_unit
    if not _MICROSECONDS_2010 <= time < _MICROSECONDS_2100:
        raise Unfit(f"{name} {value} is no time between 2010 and 2100 in the expected unit")
    return time


def identifier(text: str, name: str) -> int:
    """Return an id that is written as a string of digits.

    Raises:
        Unfit: it is anything else, or too long for 64 bits.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_ID:
        raise Unfit(f"{name} {text[:40]!r} is not a number of at most {_LONGEST_ID} digits")
    return int(text)


def paid(text: str) -> str:
    """Return a price that was paid, as a plain decimal string.

    Raises:
        Unfit: it is zero, or not what `price` takes.
    """
    found = price(text)
    if found is None:
        raise Unfit(f"the price {text!r} is zero")
    return found


def volume(text: str) -> str:
    """Return a volume as a plain decimal string; where there is none, it is zero.

    Raises:
        Unfit: it is not what `amount` takes.
    """
    return amount(text) or "0"
