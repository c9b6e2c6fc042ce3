select
    venue,
    symbol,
    "interval",
    start_time,
    "column",
    expected,
    found
from difference
inner join reach using ("interval")
order by start_time, length, venue, symbol, "column"
limit $limit
