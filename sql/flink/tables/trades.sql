-- The clean stream: every trade once, both venues of a symbol in one partition.
create table trades (
    venue string not null,
    symbol string not null,
    first_id bigint not null,
    last_id bigint not null,
    sequence bigint not null,
    price string not null,
    size string not null,
    quote string not null,
    side string not null,
    event_time bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'trades',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-candles',
    -- The sequencer writes in transactions: what it did not commit was never a trade.
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
