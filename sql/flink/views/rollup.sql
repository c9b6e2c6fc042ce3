-- Candles of ${interval}, made of finer ones (flink_jobs/rollups.py tells which).
-- A number that one of the finer candles does not have is null; those that have no price are of marks alone.
create view rollup_${interval} as
select
    venue,
    symbol,
    bucket as start_time,
    cast(substring(min(ordered_open) from 24) as decimal(38, 18)) as `open`,
    max(high) as high,
    min(low) as low,
    cast(substring(max(ordered_close) from 24) as decimal(38, 18)) as `close`,
    sum(base_volume) as base_volume,
    sum(quote_volume) as quote_volume,
    case when count(taker_buy_base_volume) = count(high) then sum(taker_buy_base_volume) end as taker_buy_base_volume,
    case when count(trade_count) = count(high) then sum(trade_count) end as trade_count,
    min(first_id) as first_id,
    max(last_id) as last_id,
    sum(venue_minutes) as venue_minutes,
    sum(marks) as marks,
    max(last_trade_time) as last_trade_time,
    max(known_time) as known_time,
    -- What was late for a finer candle is late for this one where it was known a second after the end of this one.
    sum(
        case when timestampdiff(second, bucket, known_time) > ${minutes} * 60 then late_inputs else 0 end
    ) as late_inputs,
    sum(version) as version
from (
    select
        *,
        -- A time as text has 23 characters, so the texts sort by time.
        cast(start_time as string) || cast(`open` as string) as ordered_open,
        cast(start_time as string) || cast(`close` as string) as ordered_close,
        cast(
            to_timestamp_ltz(
                timestampdiff(minute, timestamp '1970-01-01 00:00:00', start_time) / ${minutes} * ${minutes} * 60, 0
            ) as timestamp(3)
        ) as bucket
    from ${finer}
) as finer
group by venue, symbol, bucket
