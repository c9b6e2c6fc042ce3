-- Each venue's newest list in Postgres. Triggers there refuse an older one, and make the table `instrument` of it.
create table instrument_list (
    venue string not null,
    instruments string not null,
    seen_time timestamp(3) not null,
    primary key (venue) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'instrument_list',
    'sink.buffer-flush.interval' = '${ticker_flush_ms} ms',
    'sink.buffer-flush.max-rows' = '10'
)
