-- Late trades with times as times.
create view timed_late_trade as
select
    venue,
    symbol,
    source_id,
    first_id,
    last_id,
    sequence,
    price,
    size,
    quote,
    side,
    cast(to_timestamp_ltz(event_time / 1000, 3) as timestamp(3)) as event_time,
    cast(to_timestamp_ltz(receive_time / 1000, 3) as timestamp(3)) as receive_time
from late_trades
