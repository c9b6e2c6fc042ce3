-- A topic whose records are no rows: their text as it is.
create table ${topic} (
    `value` string
) with (
    'connector' = 'kafka',
    'topic' = '${topic}',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'raw'
)
