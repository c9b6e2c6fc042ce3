-- How many minutes of an hour a venue traded in, in Postgres.
create table hour_fact (
    venue string not null,
    symbol string not null,
    start_time timestamp(3) not null,
    minutes_traded bigint not null,
    minutes_repaired bigint not null,
    primary key (venue, symbol, start_time) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'hour_fact',
    'sink.buffer-flush.interval' = '1 s',
    'sink.buffer-flush.max-rows' = '2000'
)
