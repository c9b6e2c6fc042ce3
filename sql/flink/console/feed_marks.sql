-- What ingest and repair tell the sequencer of the feeds: `kind` says what a record has.
create table feed_marks (
    kind string not null,
    venue string not null,
    symbol string not null,
    instance string,
    `time` bigint,
    from_time bigint,
    to_time bigint,
    reason string,
    gap_id string,
    how string
) with (
    'connector' = 'kafka',
    'topic' = 'feed_marks',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
