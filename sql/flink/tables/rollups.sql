-- The coarser candles as a changelog: each that is not a day becomes part of the next coarser one.
-- (The linter does not know `like`.)
create table rollups -- noqa: PRS
with (
    'connector' = 'upsert-kafka',
    'topic' = 'rollups',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'key.format' = 'json',
    'value.format' = 'json',
    'value.json.encode.decimal-as-plain-number' = 'true'
) like candle (
    excluding options
)
