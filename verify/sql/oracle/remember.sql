-- The candles that differ, with what was found of each, and whether that is something else than at the last look.
create or replace table earlier as
select
    differing.*,
    found as found_row,
    earlier.found_row is distinct from found as moved
from (select distinct venue, symbol, "interval", start_time from difference) as differing
left join found using (venue, symbol, "interval", start_time)
left join earlier using (venue, symbol, "interval", start_time)
