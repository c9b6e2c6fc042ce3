-- What dashboards ask most of, in less time. No answer differs.

-- How far the venues were apart is read for weeks of one symbol, whose minutes lie far from each other between those of
-- all others. It stands in the key beside the minute, so nothing but the key is read.
alter table minute_fact
drop constraint minute_fact_pkey,
add primary key (symbol, start_time) include (divergence_bps, apart_bps),
-- Only where vacuum has been is the key enough: after each fiftieth of the rows, new ones too.
set (autovacuum_vacuum_insert_scale_factor = 0.02);

-- Half of the threshold was worked out again for each minute that is looked at.
create or replace function divergence_before(symbol text, start_time timestamptz, diverged_bps numeric) returns text
language sql stable security definer set search_path to public, pg_temp as $$
    select case when fact.apart_bps > $3 then 'diverged' else 'agreed' end
    from minute_fact as fact
    where fact.symbol = $1
        and fact.start_time < $2
        and fact.start_time >= $2 - interval '6 hours'
        and (fact.apart_bps > $3 or fact.apart_bps < (select $3 / 2))
    order by fact.start_time desc
    limit 1
$$;

-- How many minutes an hour has was worked out for each symbol, which took a fourth of a week's time.
create or replace view completeness as
-- Found by a step in the index each: there are few symbols, and many hours.
with recursive told (venue, symbol, since) as (
    (
        select
            venue,
            symbol,
            start_time
        from hour_fact
        order by venue, symbol, start_time
        limit 1
    )
    union all
    select next.*
    from told
    cross join
        lateral ( -- noqa: ST05
            select
                fact.venue,
                fact.symbol,
                fact.start_time
            from hour_fact as fact
            where (fact.venue, fact.symbol) > (told.venue, told.symbol)
            order by fact.venue, fact.symbol, fact.start_time
            limit 1
        ) as next
),

series as materialized (
    select
        told.venue,
        told.symbol,
        told.since,
        (
            select range_agg(gap.span)
            from gap
            where gap.venue = told.venue and gap.symbol = told.symbol and gap.closed is null
        ) as open_gaps
    from told
),

hour as (
    select
        made.start_time,
        -- Of the hour that runs, the minutes that have begun.
        least(
            60,
            cast(extract(epoch from date_trunc('minute', clock.now) - made.start_time) as bigint) / 60 + 1
        ) as minutes_expected,
        clock.now
    from (
        select generate_series(min(start_time), max(start_time), interval '1 hour') as start_time
        from hour_fact
    ) as made
    cross join newest_trade_counted() as clock (now)
    offset 0 -- noqa: AM09
),

counted as (
    select
        found.venue,
        found.symbol,
        hour.start_time,
        hour.minutes_expected,
        found.minutes_traded,
        found.minutes_repaired,
        found.open_gaps,
        hour.now
    from hour
    -- Hour by hour, so that a reader of a week does not read all others.
    cross join
        lateral (
            select
                series.venue,
                series.symbol,
                series.open_gaps,
                coalesce(fact.minutes_traded, 0) as minutes_traded,
                coalesce(fact.minutes_repaired, 0) as minutes_repaired
            from series
            left join hour_fact as fact
                on
                    hour.start_time = fact.start_time
                    and series.venue = fact.venue
                    and series.symbol = fact.symbol
            where series.since <= hour.start_time
            offset 0 -- noqa: AM09
        ) as found
)

select
    counted.venue,
    counted.symbol,
    counted.start_time,
    counted.minutes_expected,
    counted.minutes_traded,
    counted.minutes_expected - counted.minutes_traded - missed.minutes as minutes_idle,
    missed.minutes as minutes_missing,
    counted.minutes_repaired
from counted
cross join lateral ( -- noqa: ST05
    select
        case
            when counted.open_gaps && tstzrange(counted.start_time, counted.start_time + interval '1 hour')
                then least(
                    counted.minutes_expected - counted.minutes_traded,
                    minutes_missing(
                        counted.venue,
                        counted.symbol,
                        counted.open_gaps,
                        counted.start_time,
                        least(counted.start_time + interval '1 hour', counted.now)
                    )
                )
            else 0
        end as minutes
) as missed;

-- Each difference was worked out wherever it is looked at, several times a symbol, which took half of the time.
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
        limit 1 -- noqa: AM09
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
