-- What rollups are made of: minutes, and the marks of gaps, which are there before and where no minute is. `version`
-- grows with every change of either, also where the minutes begin anew in another generation.
create view counted_minute as
select
    venue,
    symbol,
    start_time,
    `open`,
    high,
    low,
    `close`,
    base_volume,
    quote_volume,
    taker_buy_base_volume,
    trade_count,
    first_id,
    last_id,
    venue_minutes,
    0 as marks,
    last_trade_time,
    known_time,
    late_inputs,
    version
from newest_minute
union all
select
    venue,
    symbol,
    cast(to_timestamp_ltz(start_time / 1000, 3) as timestamp(3)) as start_time,
    cast(null as decimal(38, 18)) as `open`,
    cast(null as decimal(38, 18)) as high,
    cast(null as decimal(38, 18)) as low,
    cast(null as decimal(38, 18)) as `close`,
    cast(null as decimal(38, 18)) as base_volume,
    cast(null as decimal(38, 18)) as quote_volume,
    cast(null as decimal(38, 18)) as taker_buy_base_volume,
    cast(null as bigint) as trade_count,
    cast(null as bigint) as first_id,
    cast(null as bigint) as last_id,
    0 as venue_minutes,
    change as marks,
    cast(null as timestamp(3)) as last_trade_time,
    cast(to_timestamp_ltz(known_time / 1000, 3) as timestamp(3)) as known_time,
    cast(1 as bigint) as late_inputs,
    cast(1 as bigint) as version
from gap_marks
where seconds = 60 and start_time >= ${from_time}
