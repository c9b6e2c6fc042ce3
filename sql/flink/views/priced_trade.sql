-- Trades with numbers as numbers, and the text by which they sort: match time, then the venue's own order, then the
-- price to be picked. Its least and greatest values are a candle's first and last trade, in whatever order they arrive.
create view priced_trade as
select
    venue,
    symbol,
    first_id,
    last_id,
    event_time,
    lpad(cast(event_time as string), 16, '0') || lpad(cast(sequence as string), 19, '0') || price as ordered_price,
    cast(price as decimal(38, 18)) as price,
    cast(size as decimal(38, 18)) as size,
    cast(quote as decimal(38, 18)) as quote,
    case when side = 'buy' then cast(size as decimal(38, 18)) else cast(0 as decimal(38, 18)) end as bought_size
from trades
where event_time >= ${from_time}
