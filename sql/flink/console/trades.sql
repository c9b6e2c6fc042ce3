-- Trades as ingest sends them (`trades_in`), and each once in its place (`trades`).
create table ${topic} (
    venue string not null,
    symbol string not null,
    source_id string not null,
    first_id bigint not null,
    last_id bigint not null,
    sequence bigint not null,
    price decimal(38, 18) not null,
    size decimal(38, 18) not null,
    quote decimal(38, 18) not null,
    side string not null,
    event_time bigint not null,
    receive_time bigint not null,
    origin string
) with (
    'connector' = 'kafka',
    'topic' = '${topic}',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
