-- Candles of ${seconds} seconds, from the trades in them, the marks of gaps that touch them, and venue candles.
-- The input is only ever added to, so what arrives in which order, and when the job was restarted, makes no difference.
-- The start is cast before grouping, so that the group's key is the sink's key: a cast behind the grouping would put an
-- operator that stores every row in front of the sink. Rows without a price have marks only; the sink drops them, since
-- a condition here would make Flink retract rows.
create view ${view} as
select
    venue,
    symbol,
    start_time,
    case
        when by_venue
            then cast(split_index(venue_candle, '|', 1) as decimal(38, 18))
        else cast(substring(first_price from 36) as decimal(38, 18))
    end as `open`,
    case when by_venue then cast(split_index(venue_candle, '|', 2) as decimal(38, 18)) else high end as high,
    case when by_venue then cast(split_index(venue_candle, '|', 3) as decimal(38, 18)) else low end as low,
    case
        when by_venue
            then cast(split_index(venue_candle, '|', 4) as decimal(38, 18))
        else cast(substring(last_price from 36) as decimal(38, 18))
    end as `close`,
    case
        when by_venue
            then cast(split_index(venue_candle, '|', 5) as decimal(38, 18))
        else base_volume
    end as base_volume,
    case
        when by_venue
            then cast(split_index(venue_candle, '|', 6) as decimal(38, 18))
        else quote_volume
    end as quote_volume,
    case
        when by_venue
            then cast(nullif(split_index(venue_candle, '|', 7), '') as decimal(38, 18))
        when trade_count is not null then coalesce(bought_volume, 0)
    end as taker_buy_base_volume,
    case
        when by_venue
            then cast(nullif(split_index(venue_candle, '|', 8), '') as bigint)
        else trade_count
    end as trade_count,
    case when by_venue then cast(nullif(split_index(venue_candle, '|', 9), '') as bigint) else first_id end as first_id,
    case when by_venue then cast(nullif(split_index(venue_candle, '|', 10), '') as bigint) else last_id end as last_id,
    case when by_venue then 'venue_candle' else 'trades' end as origin,
    marks = 0 as complete,
    cast(
        to_timestamp_ltz(cast(substring(last_price from 1 for 16) as bigint) / 1000, 3) as timestamp(3)
    ) as last_trade_time,
    cast(to_timestamp_ltz(known_time / 1000, 3) as timestamp(3)) as known_time,
    late_inputs,
    ${generation} as generation,
    version
from (
    select
        *,
        -- A superseding candle of the venue wins; another one stands where there are no trades.
        venue_candle is not null and (trade_count is null or substring(venue_candle from 1 for 1) = '1') as by_venue
    from (
        select /*+ STATE_TTL('input' = '${hours}h') */
            venue,
            symbol,
            start_time,
            min(ordered_price) as first_price,
            max(price) as high,
            min(price) as low,
            max(ordered_price) as last_price,
            sum(size) as base_volume,
            sum(quote) as quote_volume,
            sum(size) filter (where bought) as bought_volume,
            sum(trade_count) as trade_count,
            min(first_id) as first_id,
            max(last_id) as last_id,
            max(venue_candle) as venue_candle,
            coalesce(sum(change), 0) as marks,
            max(known_time) as known_time,
            count(*) filter (where late) as late_inputs,
            count(*) as version
        from (
            select
                *,
                -- An addition costs each row less than to_timestamp_ltz.
                cast(
                    timestamp '1970-01-01 00:00:00'
                    + (candle_time / (${seconds} * 1000000)) * interval '${seconds}' second
                    as timestamp(3)
                ) as start_time,
                -- A candle has closed when a second has passed since its end.
                known_time - candle_time + mod(candle_time, ${seconds} * 1000000) >= (${seconds} + 1) * 1000000 as late
            from candle_input
            -- Marks are made for each interval by itself. The venues' candles are of a minute.
            where coalesce(seconds, ${seconds}) = ${seconds} and (supersedes is null or ${seconds} = 60)
        ) as input
        group by venue, symbol, start_time
    ) as counted
) as judged
