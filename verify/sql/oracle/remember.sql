create or replace table earlier as
select distinct
    venue,
    symbol,
    "interval",
    start_time
from difference
