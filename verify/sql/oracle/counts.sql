-- For each interval how many candles were compared, how many of them a gap touches, and how many differ.
with compared as (
    select
        "interval",
        count(*) as candles,
        count(*) filter (found.complete = 'false') as incomplete
    from expected full join found using (venue, symbol, "interval", start_time)
    group by all
),

differing as (
    select
        "interval",
        count(*) as candles
    from earlier
    group by all
)

select
    reach."interval",
    coalesce(compared.candles, 0) as compared,
    coalesce(compared.incomplete, 0) as incomplete,
    coalesce(differing.candles, 0) as differing
from reach
left join compared on reach."interval" = compared."interval"
left join differing on reach."interval" = differing."interval"
order by reach.length
