-- Candles by the coarser one that each is a part of, in the slot that its start falls into.
-- `newest` is the text by which the versions of a candle sort, to be split again: its greatest value is the one that
-- counts. So nothing has to be taken back when a minute is corrected. Versions grow also where minutes begin anew in
-- another generation. What is compared as text has one length, and sorts behind or before all of them where it is null.
create view rollup_part as
select
    venue,
    symbol,
    coarser as `interval`,
    -- Cast before grouping, so that the group's key is the sink's key.
    cast(to_timestamp_ltz(first_minute * 60, 0) as timestamp(3)) as start_time,
    mod(start_minute, minutes) / finer_minutes as slot,
    concat_ws(
        '|',
        -- 1
        lpad(cast(generation as string), 6, '0'),
        -- 2
        lpad(
            cast(case when `interval` is null then generation * 1000000000000 else 0 end + version as string), 19, '0'
        ),
        -- 3
        cast(`open` as string),
        -- 4
        lpad(cast(high as string), 39, '0'),
        -- 5
        lpad(cast(low as string), 39, '0'),
        -- 6
        cast(`close` as string),
        -- 7
        cast(base_volume as string),
        -- 8
        cast(quote_volume as string),
        -- 9
        coalesce(cast(taker_buy_base_volume as string), 'x'),
        -- 10
        coalesce(cast(trade_count as string), 'x'),
        -- 11
        coalesce(lpad(cast(first_id as string), 19, '0'), 'x'),
        -- 12
        coalesce(lpad(cast(last_id as string), 19, '0'), ' '),
        -- 13: milliseconds, since Flink takes long to read a time
        coalesce(
            lpad(
                cast(extract(epoch from last_trade_time) * 1000 + extract(millisecond from last_trade_time) as string),
                15, '0'
            ),
            ' '
        ),
        -- 14: the same, compared as a number
        cast(extract(epoch from known_time) * 1000 + extract(millisecond from known_time) as string),
        -- 15: what was late for a finer candle is late for this one if it was known a second after this one's end
        case
            when known_time >= cast(to_timestamp_ltz((first_minute + minutes) * 60 + 1, 0) as timestamp(3))
                then cast(late_inputs as string)
            else '0'
        end,
        -- 16
        origin
    ) as newest
from (
    select
        *,
        start_minute - mod(start_minute, minutes) as first_minute
    from (
        select
            *,
            cast(timestampdiff(minute, timestamp '1970-01-01 00:00:00', start_time) as bigint) as start_minute,
            ${coarser} as coarser,
            ${minutes} as minutes,
            ${finer_minutes} as finer_minutes
        from rollup_parts
        where start_time >= cast(to_timestamp_ltz(${from_time} / 1000, 3) as timestamp(3))
    ) as numbered
    -- A day is part of nothing.
    where coarser is not null
) as placed
