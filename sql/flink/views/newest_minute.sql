-- The newest version of each minute. It is taken as the greatest of texts that begin with the version, and that are
-- then split again: so the input is only ever added to, and no order of records matters.
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
    cast(nullif(split_index(newest, '|', 12), '') as timestamp(3)) as last_trade_time,
    cast(split_index(newest, '|', 13) as timestamp(3)) as known_time,
    cast(split_index(newest, '|', 14) as bigint) as late_inputs,
    cast(split_index(newest, '|', 0) as bigint) as version
from (
    select
        venue,
        symbol,
        start_time,
        max(
            concat_ws(
                '|',
                lpad(cast(generation * 1000000000000 + version as string), 19, '0'),
                `open`,
                high,
                low,
                `close`,
                base_volume,
                quote_volume,
                coalesce(taker_buy_base_volume, ''),
                coalesce(trade_count, ''),
                coalesce(first_id, ''),
                coalesce(last_id, ''),
                origin,
                coalesce(last_trade_time, ''),
                known_time,
                late_inputs
            )
        ) as newest
    from minute_changes
    where start_time >= cast(to_timestamp_ltz(${from_time} / 1000, 3) as timestamp(3))
    group by venue, symbol, start_time
) as minute_change
