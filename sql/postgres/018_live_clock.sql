-- The market's now was looked up several times for every symbol, which took longer than all else: a fifth of a second
-- for a thousand of them. It is looked up once. Nothing else differs.

-- What the tickers say now. They are of the whole market, also of symbols whose trades are not followed.
create or replace view reconciliation_live as
with clock as materialized (
    -- Not the newest ticker: where a venue tells no time, that has this machine's.
    select coalesce(newest_trade_counted(), (select max(event_time) from ticker)) as now
),

-- Where a venue has two codes for one symbol, the one that trades is meant.
listed as not materialized (
    select
        venue,
        symbol,
        min(case status when 'trading' then 0 when 'halted' then 1 else 2 end) as worst
    from instrument
    group by venue, symbol
),

told as (
    select
        binance.symbol,
        binance.last_price as binance_last,
        kucoin.last_price as kucoin_last,
        (binance.bid_price + binance.ask_price) / 2 as binance_mid,
        (kucoin.bid_price + kucoin.ask_price) / 2 as kucoin_mid,
        greatest(clock.now - binance.event_time, interval '0') as binance_age,
        greatest(clock.now - kucoin.event_time, interval '0') as kucoin_age,
        greatest(binance_listed.worst, kucoin_listed.worst) as worst,
        clock.now
    from ticker as binance
    inner join ticker as kucoin on binance.symbol = kucoin.symbol and kucoin.venue = 'kucoin'
    left join listed as binance_listed
        on binance.symbol = binance_listed.symbol and binance_listed.venue = 'binance'
    left join listed as kucoin_listed on binance.symbol = kucoin_listed.symbol and kucoin_listed.venue = 'kucoin'
    cross join clock
    where binance.venue = 'binance'
    -- What a venue's list lacks or calls by another symbol now is over, whatever was said of it last.
    and (binance_listed.worst < 2 or not exists (
        select from instrument
        where venue = 'binance'
    ))
    and (kucoin_listed.worst < 2 or not exists (
        select from instrument
        where venue = 'kucoin'
    ))
)

select
    told.symbol,
    told.binance_last,
    told.kucoin_last,
    told.binance_mid,
    told.kucoin_mid,
    case when judged.state in ('agreed', 'diverged') then apart.last_bps end as last_divergence_bps,
    case when judged.state in ('agreed', 'diverged') then apart.mid_bps end as mid_divergence_bps,
    told.binance_age,
    told.kucoin_age,
    judged.state,
    told.now
from told
left join threshold_period as common
    on common.symbol = '*' and told.now >= common.valid_from and told.now < common.valid_until
left join threshold_period as own
    on told.symbol = own.symbol and told.now >= own.valid_from and told.now < own.valid_until
cross join
    lateral ( -- noqa: ST05
        select
            round(20000 * (told.binance_last - told.kucoin_last) / nullif(told.binance_last + told.kucoin_last, 0), 6)
                as last_bps,
            round(20000 * (told.binance_mid - told.kucoin_mid) / nullif(told.binance_mid + told.kucoin_mid, 0), 6)
                as mid_bps
    ) as apart
cross join
    lateral ( -- noqa: ST05
        select
            case
                when told.worst = 1 then 'halted'
                -- Silence comes before price: one that has stopped says nothing of the other.
                when greatest(told.binance_age, told.kucoin_age) > interval '5 minutes' then 'stale'
                when coalesce(apart.mid_bps, apart.last_bps) is null then 'unknown'
                when
                    abs(coalesce(apart.mid_bps, apart.last_bps))
                    >= coalesce(own.clash_bps, common.clash_bps, 20000 / 3.0)
                    then 'suspected_clash'
                when abs(coalesce(apart.mid_bps, apart.last_bps)) > coalesce(own.diverged_bps, common.diverged_bps, 50)
                    then 'diverged'
                else 'agreed'
            end as state
    ) as judged;
