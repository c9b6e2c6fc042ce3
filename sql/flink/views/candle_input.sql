-- Trades, gap marks and venue candles with numbers as numbers, and what an aggregate can take of each.
-- `ordered_price` is the text by which trades sort: match time, the venue's own order, then the price to be picked.
-- Its least and greatest values are a candle's first and last trade, in whatever order they arrive. Times have had 16
-- digits since 2001, so the last trade's time is read from there; sequences are brought to 19.
-- `venue_candle` is the text by which venue candles sort: whether it supersedes trades, then when it was fetched, then
-- its fields, to be split again. Its greatest value is the one that counts.
create view candle_input as
select
    venue,
    symbol,
    seconds,
    change,
    supersedes,
    coalesce(event_time, start_time) as candle_time,
    coalesce(event_time + coalesce(behind, 0), known_time) as known_time,
    case when price is not null then first_id end as first_id,
    case when price is not null then last_id end as last_id,
    case when price is not null then last_id - first_id + 1 end as trade_count,
    cast(event_time as string) || cast(1000000000000000000 + sequence as string) || price as ordered_price,
    cast(price as decimal(38, 18)) as price,
    cast(size as decimal(38, 18)) as size,
    cast(quote as decimal(38, 18)) as quote,
    side = 'buy' as bought,
    case
        when supersedes is not null
            then concat_ws(
                '|',
                case when supersedes then '1' else '0' end || lpad(cast(fetched_time as string), 16, '0'),
                `open`,
                high,
                low,
                `close`,
                base_volume,
                quote_volume,
                coalesce(taker_buy_base_volume, ''),
                coalesce(cast(trade_count as string), ''),
                coalesce(cast(first_id as string), ''),
                coalesce(cast(last_id as string), '')
            )
    end as venue_candle
from candle_inputs
where coalesce(event_time, start_time) >= ${from_time}
