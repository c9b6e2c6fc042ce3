-- Candles of ${interval} as Postgres takes them, without those of marks alone. The condition makes Flink take rows
-- back, as the next coarser interval needs it, and so both are fed by the same aggregate (flink_jobs/rollups.py).
create view rolled_candle_${interval} as
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
    case when venue_minutes > 0 then 'venue_candle' else 'trades' end as origin,
    marks = 0 as complete,
    cast(to_timestamp_ltz(last_trade_ms, 3) as timestamp(3)) as last_trade_time,
    cast(to_timestamp_ltz(known_ms, 3) as timestamp(3)) as known_time,
    late_inputs,
    ${generation} as generation,
    version
from rollup_${interval}
where high is not null
