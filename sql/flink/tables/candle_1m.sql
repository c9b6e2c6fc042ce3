-- The 1-minute candles in Postgres: the partition of `candle` that fills in the interval, since a constant would not
-- count as part of the key, and Flink would retract every row. A trigger there refuses older rows and deletes.
create table candle_1m (
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
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'candle_1m',
    'sink.buffer-flush.interval' = '${flush_ms} ms',
    'sink.buffer-flush.max-rows' = '2000'
)
