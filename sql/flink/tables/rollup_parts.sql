-- What coarser candles are made of: minutes, and coarser candles again (a day is made of those of four hours, they of
-- hours, and so on). A minute has no `interval`. Not read as a changelog: the newest version counts and not the last
-- record, as a job that resumes writes older ones once more.
create table rollup_parts (
    venue string not null,
    symbol string not null,
    `interval` string,
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
    origin string not null,
    last_trade_time timestamp(3),
    known_time timestamp(3) not null,
    late_inputs bigint not null,
    generation bigint not null,
    version bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'candles_1m;rollups',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-rollups',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
