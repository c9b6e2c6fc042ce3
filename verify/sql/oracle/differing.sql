-- How many candles differ, the stretch that they lie in, and how many have moved.
select
    count(*) as candles,
    min(start_time) as from_time,
    max(start_time + length) as to_time,
    count(*) filter (where moved) as moved
from earlier
inner join reach using ("interval")
