-- The same trades in Postgres, each once by the venue's own id.
create table late_trade (
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
    event_time timestamp(3) not null,
    receive_time timestamp(3) not null,
    primary key (venue, symbol, source_id) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'late_trade',
    'sink.buffer-flush.interval' = '${ticker_flush_ms} ms',
    'sink.buffer-flush.max-rows' = '1000'
)
