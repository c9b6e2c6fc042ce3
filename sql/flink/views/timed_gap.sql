-- Gaps with times as times, without the starts: the part of a symbol's first minute that lies before its feed is filled
-- like a gap, but nothing was missed there.
create view timed_gap as
select
    gap_id,
    venue,
    symbol,
    kind,
    reason,
    first_id,
    last_id,
    cast(to_timestamp_ltz(from_time / 1000, 3) as timestamp(3)) as from_time,
    cast(to_timestamp_ltz(to_time / 1000, 3) as timestamp(3)) as to_time,
    cast(to_timestamp_ltz(opened / 1000, 3) as timestamp(3)) as opened,
    cast(to_timestamp_ltz(closed / 1000, 3) as timestamp(3)) as closed,
    how,
    version
from gaps
where kind <> 'start'
