-- The venues' lists with times as times.
create view timed_instrument_list as
select
    venue,
    instruments,
    cast(to_timestamp_ltz(seen_time / 1000, 3) as timestamp(3)) as seen_time
from instruments
