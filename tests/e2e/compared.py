"""Whether what the venues are compared by is what their candles say."""

from tests.stacks import Stack

_MINUTES = """
    with candles as (
        select
            symbol,
            start_time,
            {sides}
        from candle_1m
        group by symbol, start_time
    )
    select symbol, start_time
    from candles
    full join (select * from minute_fact where version > 0) as fact using (symbol, start_time)
    where start_time < newest_trade_counted() - interval '2 minutes'
        and ({candles}) is distinct from ({facts})
"""
_COLUMNS = {
    "close": "close",
    "volume": "base_volume",
    "quote_volume": "quote_volume",
    "trade_count": "trade_count",
    "last_trade_time": "last_trade_time",
    "origin": "origin",
    "complete": "complete::int",
}
_HOURS = """
    select venue, symbol, hour
    from (
        select venue, symbol, date_trunc('hour', start_time, 'UTC') as hour, count(*) as minutes
        from candle_1m
        group by 1, 2, 3
    ) as counted
    full join (select venue, symbol, start_time as hour, minutes_traded from hour_fact) as fact
        using (venue, symbol, hour)
    where hour < newest_trade_counted() - interval '62 minutes' and minutes is distinct from minutes_traded
"""


def uncompared(stack: Stack) -> list[list[str]]:
    """Return the settled minutes and hours that are not compared by what their candles say.

    Raises:
        AssertionError: there is nothing that could be compared.
    """
    settled = "select count(*) > 0 from minute_fact where start_time < newest_trade_counted() - interval '2 minutes'"
    assert stack.query(settled, "owner") == [["t"]]
    pairs = [(venue, name, column) for venue in ("binance", "kucoin") for name, column in _COLUMNS.items()]
    minutes = _MINUTES.format(
        sides=", ".join(
            f"max({column}) filter (where venue = '{venue}') as {venue}_{name}" for venue, name, column in pairs
        ),
        candles=", ".join(f"candles.{venue}_{name}" for venue, name, _ in pairs),
        facts=", ".join(f"fact.{venue}_{name}{'::int' * (name == 'complete')}" for venue, name, _ in pairs),
    )
    return stack.query(minutes, "owner") + stack.query(_HOURS, "owner")
