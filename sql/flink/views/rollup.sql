-- Candles of ${interval}, made of finer ones of ${finer_minutes} minutes: of up to six, each in a slot of its own.
-- A slot's sum is the number of the one candle that is in it, and a sum can be corrected without being counted anew.
-- Flink would keep all values under a maximum that may be taken back, and look through them at every change.
-- A number that one of the finer candles does not have is null; those that have no price are of marks alone.
create view rollup_${interval} as
select
    venue,
    symbol,
    bucket as start_time,
    coalesce(open_0, open_1, open_2, open_3, open_4, open_5) as `open`,
    nullif(greatest(
        coalesce(high_0, 0), coalesce(high_1, 0), coalesce(high_2, 0),
        coalesce(high_3, 0), coalesce(high_4, 0), coalesce(high_5, 0)
    ), 0) as high,
    case when priced > 0 then least(
        coalesce(low_0, 999999999999999999), coalesce(low_1, 999999999999999999),
        coalesce(low_2, 999999999999999999), coalesce(low_3, 999999999999999999),
        coalesce(low_4, 999999999999999999), coalesce(low_5, 999999999999999999)
    ) end as low,
    coalesce(close_5, close_4, close_3, close_2, close_1, close_0) as `close`,
    base_volume,
    quote_volume,
    case when with_taker_buy = priced then taker_buy_base_volume end as taker_buy_base_volume,
    case when with_trade_count = priced then trade_count end as trade_count,
    nullif(least(
        coalesce(first_id_0, 9223372036854775807), coalesce(first_id_1, 9223372036854775807),
        coalesce(first_id_2, 9223372036854775807), coalesce(first_id_3, 9223372036854775807),
        coalesce(first_id_4, 9223372036854775807), coalesce(first_id_5, 9223372036854775807)
    ), 9223372036854775807) as first_id,
    nullif(greatest(
        coalesce(last_id_0, 0), coalesce(last_id_1, 0), coalesce(last_id_2, 0),
        coalesce(last_id_3, 0), coalesce(last_id_4, 0), coalesce(last_id_5, 0)
    ), 0) as last_id,
    venue_minutes,
    marks,
    nullif(greatest(
        coalesce(last_trade_ms_0, 0), coalesce(last_trade_ms_1, 0), coalesce(last_trade_ms_2, 0),
        coalesce(last_trade_ms_3, 0), coalesce(last_trade_ms_4, 0), coalesce(last_trade_ms_5, 0)
    ), 0) as last_trade_ms,
    greatest(
        coalesce(known_ms_0, 0), coalesce(known_ms_1, 0), coalesce(known_ms_2, 0),
        coalesce(known_ms_3, 0), coalesce(known_ms_4, 0), coalesce(known_ms_5, 0)
    ) as known_ms,
    late_inputs,
    version
from (
    select
        venue,
        symbol,
        bucket,
        sum(`open`) filter (where slot = 0) as open_0,
        sum(`open`) filter (where slot = 1) as open_1,
        sum(`open`) filter (where slot = 2) as open_2,
        sum(`open`) filter (where slot = 3) as open_3,
        sum(`open`) filter (where slot = 4) as open_4,
        sum(`open`) filter (where slot = 5) as open_5,
        sum(high) filter (where slot = 0) as high_0,
        sum(high) filter (where slot = 1) as high_1,
        sum(high) filter (where slot = 2) as high_2,
        sum(high) filter (where slot = 3) as high_3,
        sum(high) filter (where slot = 4) as high_4,
        sum(high) filter (where slot = 5) as high_5,
        sum(low) filter (where slot = 0) as low_0,
        sum(low) filter (where slot = 1) as low_1,
        sum(low) filter (where slot = 2) as low_2,
        sum(low) filter (where slot = 3) as low_3,
        sum(low) filter (where slot = 4) as low_4,
        sum(low) filter (where slot = 5) as low_5,
        sum(`close`) filter (where slot = 0) as close_0,
        sum(`close`) filter (where slot = 1) as close_1,
        sum(`close`) filter (where slot = 2) as close_2,
        sum(`close`) filter (where slot = 3) as close_3,
        sum(`close`) filter (where slot = 4) as close_4,
        sum(`close`) filter (where slot = 5) as close_5,
        sum(first_id) filter (where slot = 0) as first_id_0,
        sum(first_id) filter (where slot = 1) as first_id_1,
        sum(first_id) filter (where slot = 2) as first_id_2,
        sum(first_id) filter (where slot = 3) as first_id_3,
        sum(first_id) filter (where slot = 4) as first_id_4,
        sum(first_id) filter (where slot = 5) as first_id_5,
        sum(last_id) filter (where slot = 0) as last_id_0,
        sum(last_id) filter (where slot = 1) as last_id_1,
        sum(last_id) filter (where slot = 2) as last_id_2,
        sum(last_id) filter (where slot = 3) as last_id_3,
        sum(last_id) filter (where slot = 4) as last_id_4,
        sum(last_id) filter (where slot = 5) as last_id_5,
        sum(last_trade_ms) filter (where slot = 0) as last_trade_ms_0,
        sum(last_trade_ms) filter (where slot = 1) as last_trade_ms_1,
        sum(last_trade_ms) filter (where slot = 2) as last_trade_ms_2,
        sum(last_trade_ms) filter (where slot = 3) as last_trade_ms_3,
        sum(last_trade_ms) filter (where slot = 4) as last_trade_ms_4,
        sum(last_trade_ms) filter (where slot = 5) as last_trade_ms_5,
        sum(known_ms) filter (where slot = 0) as known_ms_0,
        sum(known_ms) filter (where slot = 1) as known_ms_1,
        sum(known_ms) filter (where slot = 2) as known_ms_2,
        sum(known_ms) filter (where slot = 3) as known_ms_3,
        sum(known_ms) filter (where slot = 4) as known_ms_4,
        sum(known_ms) filter (where slot = 5) as known_ms_5,
        count(high) as priced,
        count(taker_buy_base_volume) as with_taker_buy,
        count(trade_count) as with_trade_count,
        sum(base_volume) as base_volume,
        sum(quote_volume) as quote_volume,
        sum(taker_buy_base_volume) as taker_buy_base_volume,
        sum(trade_count) as trade_count,
        sum(venue_minutes) as venue_minutes,
        sum(marks) as marks,
        -- What was late for a finer candle is late for this one where it was known a second after the end of this one.
        sum(case when known_ms >= end_ms + 1000 then late_inputs else 0 end) as late_inputs,
        sum(version) as version
    from (
        select
            *,
            mod(minutes, ${minutes}) / ${finer_minutes} as slot,
            -- Cast before grouping, so that the group's key is the sink's key.
            cast(to_timestamp_ltz((minutes - mod(minutes, ${minutes})) * 60, 0) as timestamp(3)) as bucket,
            (minutes - mod(minutes, ${minutes}) + ${minutes}) * 60000 as end_ms
        from (
            select
                *,
                cast(timestampdiff(minute, timestamp '1970-01-01 00:00:00', start_time) as bigint) as minutes
            from ${finer}
        ) as numbered
    ) as finer
    group by venue, symbol, bucket
) as slotted
