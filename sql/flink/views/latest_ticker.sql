-- Tickers with times as times.
create view latest_ticker as
select
    venue,
    symbol,
    last_price,
    last_size,
    bid_price,
    bid_size,
    ask_price,
    ask_size,
    open_24h,
    high_24h,
    low_24h,
    base_volume_24h,
    quote_volume_24h,
    cast(to_timestamp_ltz(event_time / 1000, 3) as timestamp(3)) as event_time,
    cast(to_timestamp_ltz(receive_time / 1000, 3) as timestamp(3)) as receive_time
from tickers
