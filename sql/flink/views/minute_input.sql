-- All that minutes are known by: each version of each as a text, and the marks of gaps.
create view minute_input as
select
    venue,
    symbol,
    start_time,
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
        coalesce(
            cast(extract(epoch from last_trade_time) * 1000 + extract(millisecond from last_trade_time) as string), ''
        ),
        cast(extract(epoch from known_time) * 1000 + extract(millisecond from known_time) as string),
        late_inputs
    ) as newest,
    cast(null as int) as change,
    cast(null as bigint) as marked_ms
from minute_changes
where start_time >= cast(to_timestamp_ltz(${from_time} / 1000, 3) as timestamp(3))
union all
select
    venue,
    symbol,
    cast(to_timestamp_ltz(start_time / 1000, 3) as timestamp(3)) as start_time,
    cast(null as string) as newest,
    change,
    known_time / 1000 as marked_ms
from gap_marks
where seconds = 60 and start_time >= ${from_time}
