"""Numbers stay exact, and what the columns can't hold is refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.decimals import UnfitNumber, parse, plain, priced, product

numbers = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("99999999999999999999"), places=18)


@given(numbers)
def test_a_plain_number_reads_back_as_itself(number: Decimal) -> None:
    text = plain(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()
    assert not (("." in text) and text.endswith(("0", ".")))


@given(numbers, numbers)
def test_a_product_is_never_rounded(left: Decimal, right: Decimal) -> None:
    assert Fraction(product(left, right)) == Fraction(left) * Fraction(right)


def test_twenty_decimals_of_which_most_are_zeros_fit() -> None:
    assert priced("0.08200000000000000000", "0.01022222000000000000") == ("0.082", "0.01022222", "0.00083822204")


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1,5", "0x1"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UnfitNumber):
        parse(text)


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1" * 200, "0." + "0" * 200])
def test_a_number_of_absurd_size_is_refused_before_it_is_written_out(text: str) -> None:
    with pytest.raises(UnfitNumber, match="more digits"):
        parse(text)


@pytest.mark.parametrize("text", ["100000000000000000000", "0.0000000000000000001", "1e30", "1e-19"])
def test_a_number_of_too_many_digits_is_refused(text: str) -> None:
    with pytest.raises(UnfitNumber, match="more digits"):
        plain(parse(text))


@pytest.mark.parametrize(("price", "size"), [("0", "1"), ("1", "0"), ("-1", "1"), ("1", "-2")])
def test_a_trade_of_nothing_is_refused(price: str, size: str) -> None:
    with pytest.raises(UnfitNumber, match="above zero"):
        priced(price, size)


def test_a_product_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnfitNumber, match="more digits"):
        priced("0.0000000001", "0.000000001")
