-- Ranges of trades that were missed or may have been: a record for every change of one, as the sequencer keeps them.
create table gaps (
    gap_id string not null,
    venue string not null,
    symbol string not null,
    kind string not null,
    reason string not null,
    first_id bigint,
    last_id bigint,
    from_time bigint not null,
    to_time bigint,
    opened bigint not null,
    closed bigint,
    how string,
    version bigint not null
) with (
    'connector' = 'kafka',
    'topic' = 'gaps',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-feed',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
