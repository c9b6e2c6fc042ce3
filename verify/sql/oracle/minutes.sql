-- The minutes: what was traded in them, or the venue's own candle where it takes the place of that.
create or replace table minute as
with traded as (
    select
        venue,
        symbol,
        start_time - start_time % 60000000 as minute,
        arg_min(open, start_time) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, start_time) as close,
        sum(base_volume) as base_volume,
        sum(quote_volume) as quote_volume,
        sum(taker_buy_base_volume) as taker_buy_base_volume,
        cast(sum(trade_count) as bigint) as trade_count,
        min(first_id) as first_id,
        max(last_id) as last_id,
        'trades' as origin,
        max(last_trade_time) as last_trade_time,
        max(known_time) as known_time
    from second_traded
    group by all
),

-- Of the candles that a venue gave for a minute one counts, but each was known when it was.
told as (
    select
        * exclude (start_time, fetched_time, known_time),
        start_time as minute,
        'venue_candle' as origin,
        max(known_time) over (partition by venue, symbol, start_time) as known_time
    from venue_candle
    qualify
        row_number() over (partition by venue, symbol, start_time order by supersedes desc, fetched_time desc) = 1
)

select
    coalesce(told.venue, traded.venue) as venue,
    coalesce(told.symbol, traded.symbol) as symbol,
    coalesce(told.minute, traded.minute) as start_time,
    unnest(
        case
            when told.supersedes or traded.venue is null
                then struct_pack(
                    open := told.open,
                    high := told.high,
                    low := told.low,
                    close := told.close,
                    base_volume := told.base_volume,
                    quote_volume := told.quote_volume,
                    taker_buy_base_volume := told.taker_buy_base_volume,
                    trade_count := told.trade_count,
                    first_id := told.first_id,
                    last_id := told.last_id,
                    origin := told.origin
                )
            else struct_pack(
                open := traded.open,
                high := traded.high,
                low := traded.low,
                close := traded.close,
                base_volume := traded.base_volume,
                quote_volume := traded.quote_volume,
                taker_buy_base_volume := traded.taker_buy_base_volume,
                trade_count := traded.trade_count,
                first_id := traded.first_id,
                last_id := traded.last_id,
                origin := traded.origin
            )
        end
    ),
    traded.last_trade_time,
    greatest(told.known_time, traded.known_time) as known_time
from traded
full join told on traded.venue = told.venue and traded.symbol = told.symbol and traded.minute = told.minute
