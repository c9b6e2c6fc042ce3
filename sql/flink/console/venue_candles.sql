-- Closed minutes as the venues themselves give them.
create table venue_candles (
    venue string not null,
    symbol string not null,
    start_time bigint not null,
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
    supersedes boolean not null,
    known_time bigint not null,
    fetched_time bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'venue_candles',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
