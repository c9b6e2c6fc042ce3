-- Gaps that touch a candle (`change` +1) or cease to (-1), for candles of every interval by itself.
create table gap_marks (
    venue string not null,
    symbol string not null,
    seconds int not null,
    start_time bigint not null,
    change int not null,
    known_time bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'gap_marks',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-rollups',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
