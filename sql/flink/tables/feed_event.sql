-- The same facts in Postgres, each once by its id.
create table feed_event (
    event_id string not null,
    venue string not null,
    kind string not null,
    connection string,
    symbol string,
    detail string,
    event_time timestamp(3) not null,
    primary key (event_id) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'feed_event',
    'sink.buffer-flush.interval' = '${ticker_flush_ms} ms',
    'sink.buffer-flush.max-rows' = '1000'
)
