-- Feed events with times as times.
create view timed_feed_event as
select
    event_id,
    venue,
    kind,
    connection,
    symbol,
    detail,
    cast(to_timestamp_ltz(event_time / 1000, 3) as timestamp(3)) as event_time
from feed_events
