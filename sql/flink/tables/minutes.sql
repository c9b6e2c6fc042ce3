-- The 1-minute candles of both venues, as far as they are compared. Not read as a changelog: the newest version counts
-- and not the last record, as a job that resumes writes older ones once more.
create table minutes (
    venue string not null,
    symbol string not null,
    start_time timestamp(3) not null,
    `close` decimal(38, 18) not null,
    base_volume decimal(38, 18) not null,
    quote_volume decimal(38, 18) not null,
    trade_count bigint,
    origin string not null,
    complete boolean,
    last_trade_time timestamp(3),
    generation bigint not null,
    version bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'candles_1m',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-reconciliation',
    -- They are gathered for a second anyway: few large fetches cost the broker less.
    'properties.fetch.min.bytes' = '1048576',
    'properties.fetch.max.wait.ms' = '500',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
