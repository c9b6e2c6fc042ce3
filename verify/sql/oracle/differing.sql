-- How many candles differ, and the stretch that they lie in.
select
    count(*) as candles,
    min(start_time) as from_time,
    max(start_time + length) as to_time
from earlier
inner join reach using ("interval")
