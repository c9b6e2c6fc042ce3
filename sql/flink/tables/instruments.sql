-- What the venues list: a record for every reading of one venue's list. The pairs pass as the text of their array:
-- only the whole list tells what it lacks.
create table instruments (
    venue string not null,
    seen_time bigint not null,
    instruments string not null
) with (
    'connector' = 'kafka',
    'topic' = 'instruments',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-feed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
