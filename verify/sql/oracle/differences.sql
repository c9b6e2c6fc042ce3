-- Every value that differs, one a row. Where a whole row is missing, or is one too many, that is the column `row`.
create or replace table difference as
select
    venue,
    symbol,
    "interval",
    start_time,
    unnest(items, max_depth := 2)
from (
    select
        coalesce(expected.venue, found.venue) as venue,
        coalesce(expected.symbol, found.symbol) as symbol,
        coalesce(expected."interval", found."interval") as "interval",
        coalesce(expected.start_time, found.start_time) as start_time,
        case
            when found.venue is null then [{'column': 'row', 'expected': 'a row', 'found': 'none'}]
            when expected.venue is null then [{'column': 'row', 'expected': 'none', 'found': 'a row'}]
            else list_filter([
                {'column': 'open', 'expected': expected.open, 'found': found.open},
                {'column': 'high', 'expected': expected.high, 'found': found.high},
                {'column': 'low', 'expected': expected.low, 'found': found.low},
                {'column': 'close', 'expected': expected.close, 'found': found.close},
                {'column': 'base_volume', 'expected': expected.base_volume, 'found': found.base_volume},
                {'column': 'quote_volume', 'expected': expected.quote_volume, 'found': found.quote_volume},
                {'column': 'taker_buy_base_volume', 'expected': expected.taker_buy_base_volume,
                 'found': found.taker_buy_base_volume},
                {'column': 'trade_count', 'expected': expected.trade_count, 'found': found.trade_count},
                {'column': 'first_id', 'expected': expected.first_id, 'found': found.first_id},
                {'column': 'last_id', 'expected': expected.last_id, 'found': found.last_id},
                {'column': 'origin', 'expected': expected.origin, 'found': found.origin},
                {'column': 'complete', 'expected': expected.complete, 'found': found.complete},
                {'column': 'last_trade_time', 'expected': expected.last_trade_time,
                 'found': found.last_trade_time},
                {'column': 'known_time', 'expected': expected.known_time, 'found': found.known_time}
            ], lambda item: item.expected is distinct from item.found)
        end as items
    from expected
    full join found
        on
            expected.venue = found.venue
            and expected.symbol = found.symbol
            and expected."interval" = found."interval"
            and expected.start_time = found.start_time
)
where len(items) > 0
