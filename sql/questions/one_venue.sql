-- Which minutes of the last day rest on one venue, and why?
select
    symbol,
    start_time,
    only_venue,
    state,
    consolidated_price
from reconciliation
where only_venue is not null and start_time >= newest_trade_counted() - interval '1 day'
order by start_time desc, symbol asc
limit 1000;
