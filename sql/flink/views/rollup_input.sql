-- All that coarser candles are known by: their parts, and the marks of gaps, which are there also where no part is.
create view rollup_input as
select
    venue,
    symbol,
    `interval`,
    start_time,
    slot,
    newest,
    cast(null as int) as change,
    cast(null as bigint) as marked_time,
    false as late
from rollup_part
union all
select
    venue,
    symbol,
    ${marked} as `interval`,
    cast(to_timestamp_ltz(start_time / 1000, 3) as timestamp(3)) as start_time,
    cast(null as bigint) as slot,
    cast(null as string) as newest,
    change,
    known_time / 1000 as marked_time,
    known_time >= start_time + cast(seconds + 1 as bigint) * 1000000 as late
from gap_marks
where seconds > 60 and start_time >= ${from_time}
