-- The latest of every symbol in Postgres. A trigger there refuses a row received earlier than the one that stands.
create table ticker (
    venue string not null,
    symbol string not null,
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
    quote_volume_24h decimal(38, 18),
    event_time timestamp(3) not null,
    receive_time timestamp(3) not null,
    primary key (venue, symbol) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'ticker',
    'sink.buffer-flush.interval' = '${ticker_flush_ms} ms',
    'sink.buffer-flush.max-rows' = '5000'
)
