-- The candles of one interval, from a start to an end (half-open), with numbers as text and times in microseconds.
copy (
    select
        venue,
        symbol,
        "interval",
        cast(extract(epoch from start_time) * 1000000 as bigint),
        cast(trim_scale(open) as text),
        cast(trim_scale(high) as text),
        cast(trim_scale(low) as text),
        cast(trim_scale(close) as text),
        cast(trim_scale(base_volume) as text),
        cast(trim_scale(quote_volume) as text),
        cast(trim_scale(taker_buy_base_volume) as text),
        trade_count,
        first_id,
        last_id,
        origin,
        cast(complete as text),
        cast(extract(epoch from last_trade_time) * 1000000 as bigint),
        cast(extract(epoch from known_time) * 1000000 as bigint)
    from candle
    where "interval" = %(interval)s and start_time >= %(from_time)s and start_time < %(to_time)s
) to stdout (format csv)
