-- What was traded in each second. The first and last trade are those by match time, then by the venue's own order.
create or replace table second_traded as
select
    venue,
    symbol,
    event_time - event_time % 1000000 as start_time,
    arg_min(price, (event_time, sequence)) as open,
    max(price) as high,
    min(price) as low,
    arg_max(price, (event_time, sequence)) as close,
    sum(size) as base_volume,
    sum(quote) as quote_volume,
    sum(case when bought then size else cast(0 as decimal(38, 18)) end) as taker_buy_base_volume,
    cast(sum(last_id - first_id + 1) as bigint) as trade_count,
    min(first_id) as first_id,
    max(last_id) as last_id,
    max(event_time) as last_trade_time,
    max(known_time) as known_time
from trade
group by all
