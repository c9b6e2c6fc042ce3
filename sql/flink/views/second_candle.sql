-- Candles of one second, from the trades in them. The start is cast before grouping, so that the group's key is the
-- sink's key: a cast behind the grouping would put an operator that stores every row in front of the sink.
create view second_candle as
select /*+ STATE_TTL('trade' = '${second_state_hours}h') */
    venue,
    symbol,
    start_time,
    cast(substring(min(ordered_price) from 36) as decimal(38, 18)) as `open`,
    max(price) as high,
    min(price) as low,
    cast(substring(max(ordered_price) from 36) as decimal(38, 18)) as `close`,
    sum(size) as base_volume,
    sum(quote) as quote_volume,
    sum(bought_size) as taker_buy_base_volume,
    sum(last_id - first_id + 1) as trade_count,
    min(first_id) as first_id,
    max(last_id) as last_id,
    'trades' as origin,
    max(trade_time) as last_trade_time,
    ${generation} as generation,
    count(*) as version
from (
    select
        *,
        cast(to_timestamp_ltz((event_time - mod(event_time, 1000000)) / 1000, 3) as timestamp(3)) as start_time,
        cast(to_timestamp_ltz(event_time / 1000, 3) as timestamp(3)) as trade_time
    from priced_trade
) as trade
group by venue, symbol, start_time
