-- The newest version of each minute, with the marks of gaps, which are there before and where no minute is. The version
-- is found as the greatest of texts that begin with it, and that are then split again: so the input is only ever added
-- to, and no order of records matters. What has marks alone has no price. `version` grows with every change, also where
-- minutes begin anew in another generation. Times are milliseconds since the epoch, so that rollups can add them up.
create view newest_minute as
select
    venue,
    symbol,
    start_time,
    cast(split_index(newest, '|', 1) as decimal(38, 18)) as `open`,
    cast(split_index(newest, '|', 2) as decimal(38, 18)) as high,
    cast(split_index(newest, '|', 3) as decimal(38, 18)) as low,
    cast(split_index(newest, '|', 4) as decimal(38, 18)) as `close`,
    cast(split_index(newest, '|', 5) as decimal(38, 18)) as base_volume,
    cast(split_index(newest, '|', 6) as decimal(38, 18)) as quote_volume,
    cast(nullif(split_index(newest, '|', 7), '') as decimal(38, 18)) as taker_buy_base_volume,
    cast(nullif(split_index(newest, '|', 8), '') as bigint) as trade_count,
    cast(nullif(split_index(newest, '|', 9), '') as bigint) as first_id,
    cast(nullif(split_index(newest, '|', 10), '') as bigint) as last_id,
    case when split_index(newest, '|', 11) = 'venue_candle' then 1 else 0 end as venue_minutes,
    marks,
    cast(nullif(split_index(newest, '|', 12), '') as bigint) as last_trade_ms,
    greatest(coalesce(cast(split_index(newest, '|', 13) as bigint), 0), coalesce(marked_ms, 0)) as known_ms,
    coalesce(cast(split_index(newest, '|', 14) as bigint), 0) + mark_count as late_inputs,
    coalesce(cast(split_index(newest, '|', 0) as bigint), 0) + mark_count as version
from (
    select
        venue,
        symbol,
        start_time,
        max(newest) as newest,
        coalesce(sum(change), 0) as marks,
        max(marked_ms) as marked_ms,
        count(change) as mark_count
    from minute_input
    group by venue, symbol, start_time
) as counted
