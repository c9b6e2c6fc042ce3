-- Candles of all intervals in Postgres. A trigger there refuses older rows and deletes. What has no price is no candle:
-- the jobs that write here drop such rows at the sink (Job.options).
create table candle (
    venue string not null,
    symbol string not null,
    `interval` string not null,
    start_time timestamp(3) not null,
    `open` decimal(38, 18) not null,
    high decimal(38, 18) not null,
    low decimal(38, 18) not null,
    `close` decimal(38, 18) not null,
    base_volume decimal(38, 18) not null,
    quote_volume decimal(38, 18) not null,
    taker_buy_base_volume decimal(38, 18),
    trade_count bigint,
    first_id bigint,
    last_id bigint,
    origin string,
    complete boolean,
    last_trade_time timestamp(3),
    known_time timestamp(3),
    late_inputs bigint,
    generation int,
    version bigint,
    primary key (venue, symbol, `interval`, start_time) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'candle',
    'sink.buffer-flush.interval' = '${flush_ms} ms',
    'sink.buffer-flush.max-rows' = '2000',
    -- Another number than the job's own lets the sink have tasks of its own. What makes candles would stand still in
    -- every flush otherwise, at each of a day's five steps.
    'sink.parallelism' = '2'
)
