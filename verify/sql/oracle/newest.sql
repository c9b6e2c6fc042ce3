-- How far each symbol's trades reach: what ends later may still grow.
create or replace table newest as
select
    venue,
    symbol,
    max(event_time) as event_time
from trade
group by all
