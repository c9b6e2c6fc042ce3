"""Exact decimal strings, and the width that fits the columns downstream.

Flink and Postgres hold prices and sizes as `DECIMAL(38, 18)`: 20 digits before the point and 18 after it. A number
that does not fit is refused here, with its reason, instead of becoming null or rounded later.
"""

from decimal import Context, Decimal, Inexact, InvalidOperation

PRECISION = 38
SCALE = 18

_INTEGER_DIGITS = PRECISION - SCALE
# Wide enough for the product of any two numbers that fit; Inexact would mean that it is not.
_EXACT = Context(prec=2 * PRECISION, traps=[Inexact, InvalidOperation])


class UnfitNumber(ValueError):
    """A number that is no plain positive decimal, or has more digits than the columns hold."""


def parse(text: str) -> Decimal:
    """Return the decimal number that `text` writes.

    Raises:
        UnfitNumber: it is not a finite decimal number, or of an absurd size.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnfitNumber(f"{text!r} is not a decimal number") from None
    if not number.is_finite():
        raise UnfitNumber(f"{text!r} is not a finite number")
    # An exponent can stand for more digits than there is memory.
    if len(text) > 2 * PRECISION or abs(number.adjusted()) > PRECISION:
        raise UnfitNumber(f"{text[:80]!r} has more digits than DECIMAL({PRECISION}, {SCALE}) holds")
    return number


def plain(number: Decimal) -> str:
    """Return `number` without exponent and without trailing zeros, as `0.082` for `0.08200000`.

    Raises:
        UnfitNumber: it needs more digits than `DECIMAL(38, 18)` has.
    """
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(whole) > _INTEGER_DIGITS or len(fraction) > SCALE:
        raise UnfitNumber(f"{text} has more digits than DECIMAL({PRECISION}, {SCALE}) holds")
    return "0" if text in ("-0", "") else text


def product(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product of two numbers, never rounded."""
    return _EXACT.multiply(left, right)


def priced(price_text: str, size_text: str) -> tuple[str, str, str]:
    """Return price, size and quote (their exact product) as plain decimal strings.

    Raises:
        UnfitNumber: one is no number, is not above zero, or does not fit.
    """
    price, size = parse(price_text), parse(size_text)
    if price <= 0 or size <= 0:
        raise UnfitNumber(f"price {price_text} and size {size_text} must both be above zero")
    return plain(price), plain(size), plain(product(price, size))
