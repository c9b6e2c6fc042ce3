-- The 1-minute candles as a changelog: everything coarser derives from it. A forming minute is written at most once a
-- second, since the sink keeps only the newest row of a key between two flushes.
create table candles_1m (
    venue string not null,
    symbol string not null,
    start_time timestamp(3) not null,
    `open` decimal(38, 18),
    high decimal(38, 18),
    low decimal(38, 18),
    `close` decimal(38, 18),
    base_volume decimal(38, 18),
    quote_volume decimal(38, 18),
    taker_buy_base_volume decimal(38, 18),
    trade_count bigint,
    first_id bigint,
    last_id bigint,
    origin string,
    last_trade_time timestamp(3),
    generation int,
    version bigint,
    primary key (venue, symbol, start_time) not enforced
) with (
    'connector' = 'upsert-kafka',
    'topic' = 'candles_1m',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'key.format' = 'json',
    'value.format' = 'json',
    'value.json.encode.decimal-as-plain-number' = 'true',
    'sink.buffer-flush.max-rows' = '100000',
    'sink.buffer-flush.interval' = '1 s'
)
