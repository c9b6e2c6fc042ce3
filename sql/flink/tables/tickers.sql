-- What the venues say of every symbol, as it came: one symbol in one partition, in order.
create table tickers (
    venue string not null,
    symbol string not null,
    event_time bigint not null,
    receive_time bigint not null,
    last_price decimal(38, 18),
    last_size decimal(38, 18),
    bid_price decimal(38, 18),
    bid_size decimal(38, 18),
    ask_price decimal(38, 18),
    ask_size decimal(38, 18),
    open_24h decimal(38, 18),
    high_24h decimal(38, 18),
    low_24h decimal(38, 18),
    base_volume_24h decimal(38, 18),
    quote_volume_24h decimal(38, 18)
) with (
    'connector' = 'kafka',
    'topic' = 'tickers',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-tickers',
    -- They are written every 200 ms at most: few large fetches cost the broker less.
    'properties.fetch.min.bytes' = '1048576',
    'properties.fetch.max.wait.ms' = '100',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
