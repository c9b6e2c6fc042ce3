-- How many minutes of an hour have a candle, and how many of them ever had the venue's own. Neither ever shrinks.
create view counted_hour as
select
    venue,
    symbol,
    start_time,
    count(distinct minute_time) as minutes_traded,
    count(distinct case when origin = 'venue_candle' then minute_time end) as minutes_repaired
from (
    select
        venue,
        symbol,
        cast(
            to_timestamp_ltz(
                cast(timestampdiff(hour, timestamp '1970-01-01 00:00:00', start_time) as bigint) * 3600, 0
            ) as timestamp(3)
        ) as start_time,
        start_time as minute_time,
        origin
    from minutes
    where start_time >= cast(to_timestamp_ltz(${from_time} / 1000, 3) as timestamp(3))
) as minutes_of_hours
group by venue, symbol, start_time
