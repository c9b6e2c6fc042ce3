-- Facts about the feeds, as ingest and the sequencer report them.
create table feed_events (
    event_id string not null,
    venue string not null,
    kind string not null,
    event_time bigint not null,
    connection string,
    symbol string,
    detail string
) with (
    'connector' = 'kafka',
    'topic' = 'feed_events',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-feed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
