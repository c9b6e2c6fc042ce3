-- How complete was each venue in the last seven days? In minutes of all symbols together.
select
    venue,
    sum(minutes_expected) as expected,
    sum(minutes_traded) as traded,
    sum(minutes_idle) as idle,
    sum(minutes_missing) as missing,
    sum(minutes_repaired) as repaired,
    round(100 * (1 - sum(minutes_missing) / sum(minutes_expected)), 3) as percent_known
from completeness
where start_time >= newest_trade_counted() - interval '7 days'
group by venue
order by venue;
