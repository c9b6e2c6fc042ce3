-- What Postgres should hold: every candle of every interval that can be judged and is closed.
create or replace table expected as
with candle as (
    select
        second_traded.*,
        '1s' as "interval",
        'trades' as origin
    from second_traded
    union all by name
    select
        minute.*,
        '1m' as "interval"
    from minute
    union all by name
    select
        minute.venue,
        minute.symbol,
        reach."interval",
        minute.start_time - minute.start_time % reach.length as start_time,
        arg_min(minute.open, minute.start_time) as open,
        max(minute.high) as high,
        min(minute.low) as low,
        arg_max(minute.close, minute.start_time) as close,
        sum(minute.base_volume) as base_volume,
        sum(minute.quote_volume) as quote_volume,
        case when bool_and(minute.taker_buy_base_volume is not null) then sum(minute.taker_buy_base_volume) end
            as taker_buy_base_volume,
        case when bool_and(minute.trade_count is not null) then cast(sum(minute.trade_count) as bigint) end
            as trade_count,
        min(minute.first_id) as first_id,
        max(minute.last_id) as last_id,
        case when bool_or(minute.origin = 'venue_candle') then 'venue_candle' else 'trades' end as origin,
        max(minute.last_trade_time) as last_trade_time,
        max(minute.known_time) as known_time
    from minute
    inner join reach on reach.length > 60000000
    group by all
),

-- A candle is complete where all gaps that touched it were closed; longer ones where all that touched a minute were.
marked as (
    select
        gap_mark.venue,
        gap_mark.symbol,
        reach."interval",
        gap_mark.start_time - gap_mark.start_time % reach.length as start_time,
        sum(gap_mark.change) as gaps_open
    from gap_mark
    inner join reach on gap_mark.seconds * 1000000 = least(reach.length, 60000000)
    group by all
),

-- When it was told of them: by its own marks, and by those of the candles that it is made of.
told as (
    select
        gap_mark.venue,
        gap_mark.symbol,
        reach."interval",
        gap_mark.start_time - gap_mark.start_time % reach.length as start_time,
        max(gap_mark.known_time) as known_time
    from gap_mark
    inner join reach as part on gap_mark.seconds * 1000000 = part.length
    inner join candle
        on
            gap_mark.venue = candle.venue
            and gap_mark.symbol = candle.symbol
            and part."interval" = candle."interval"
            and gap_mark.start_time = candle.start_time
    -- Seconds are part of nothing.
    inner join reach on part.length = reach.length or (part.length >= 60000000 and part.length < reach.length)
    group by all
)

select
    candle.venue,
    candle.symbol,
    candle."interval",
    candle.start_time,
    plain(candle.open) as open,
    plain(candle.high) as high,
    plain(candle.low) as low,
    plain(candle.close) as close,
    plain(candle.base_volume) as base_volume,
    plain(candle.quote_volume) as quote_volume,
    plain(candle.taker_buy_base_volume) as taker_buy_base_volume,
    cast(candle.trade_count as varchar) as trade_count,
    cast(candle.first_id as varchar) as first_id,
    cast(candle.last_id as varchar) as last_id,
    candle.origin,
    cast(coalesce(marked.gaps_open, 0) = 0 as varchar) as complete,
    -- Candles hold times to the millisecond.
    cast(candle.last_trade_time // 1000 * 1000 as varchar) as last_trade_time,
    cast(greatest(candle.known_time, told.known_time) // 1000 * 1000 as varchar) as known_time
from candle
inner join reach on candle."interval" = reach."interval"
left join marked
    on
        candle.venue = marked.venue
        and candle.symbol = marked.symbol
        and candle."interval" = marked."interval"
        and candle.start_time = marked.start_time
left join told
    on
        candle.venue = told.venue
        and candle.symbol = told.symbol
        and candle."interval" = told."interval"
        and candle.start_time = told.start_time
left join newest on candle.venue = newest.venue and candle.symbol = newest.symbol
where
    candle.start_time >= reach.from_time
    and candle.start_time + reach.length <= least($until, greatest(newest.event_time, $settled))
