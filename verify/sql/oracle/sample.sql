-- Minutes of each venue, by chance, of those that ended long enough ago to be settled and that no open gap touches.
select
    venue,
    symbol,
    start_time,
    open,
    high,
    low,
    close,
    base_volume,
    quote_volume,
    taker_buy_base_volume,
    trade_count
from (
    select
        *,
        random() as chance
    from found
    where "interval" = '1m' and complete = 'true' and start_time <= $until
)
qualify row_number() over (partition by venue order by chance) <= $size
order by venue, symbol, start_time
