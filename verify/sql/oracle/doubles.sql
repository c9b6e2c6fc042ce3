-- Trades whose ids, or some of them, another trade of the topic stands for, too: all but the first of each such lot.
create or replace table doubled as
select place
from (
    select
        rowid as place,
        first_id <= max(last_id) over (
            partition by venue, symbol order by first_id, last_id, rowid
            rows between unbounded preceding and 1 preceding
        ) as again
    from trade
)
where again
