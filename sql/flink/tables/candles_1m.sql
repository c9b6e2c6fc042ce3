-- The 1-minute candles as a changelog: everything coarser derives from it. A forming minute is written at most once a
-- second, since the sink keeps only the newest row of a key between two flushes.
-- (The linter does not know `like`.)
create table candles_1m -- noqa: PRS
with (
    'connector' = 'upsert-kafka',
    'topic' = 'candles_1m',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'key.format' = 'json',
    'value.format' = 'json',
    'value.json.encode.decimal-as-plain-number' = 'true',
    'sink.buffer-flush.max-rows' = '100000',
    'sink.buffer-flush.interval' = '1 s'
) like candle_1m (
    excluding options
)
