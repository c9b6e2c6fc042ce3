-- The same gaps in Postgres. A trigger there refuses a lower version of one.
create table gap (
    gap_id string not null,
    venue string not null,
    symbol string not null,
    kind string not null,
    reason string not null,
    first_id bigint,
    last_id bigint,
    from_time timestamp(3) not null,
    to_time timestamp(3),
    opened timestamp(3) not null,
    closed timestamp(3),
    how string,
    version bigint not null,
    primary key (gap_id) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'gap',
    'sink.buffer-flush.interval' = '${ticker_flush_ms} ms',
    'sink.buffer-flush.max-rows' = '1000'
)
