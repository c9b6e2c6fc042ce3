-- The topic `candles_1m` as what it is: one record for each change of a minute, with all of its values. Not read as a
-- changelog, since the newest version counts and not the last record: a job that resumes writes older ones once more.
-- Values stay texts, as which they are put together and taken apart again.
create table minute_changes (
    venue string not null,
    symbol string not null,
    start_time timestamp(3) not null,
    `open` string not null,
    high string not null,
    low string not null,
    `close` string not null,
    base_volume string not null,
    quote_volume string not null,
    taker_buy_base_volume string,
    trade_count string,
    first_id string,
    last_id string,
    origin string not null,
    last_trade_time timestamp(3),
    known_time timestamp(3) not null,
    late_inputs string not null,
    generation bigint not null,
    version bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'candles_1m',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-rollups',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
