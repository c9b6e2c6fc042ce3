-- What could not be read, with the reason.
create table dead_letters (
    part string not null,
    reason string not null,
    payload string not null,
    receive_time bigint not null,
    venue string,
    connection string
) with (
    'connector' = 'kafka',
    'topic' = 'dead_letters',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
