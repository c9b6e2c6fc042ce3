-- One venue against the other, minute by minute. With two venues there is no majority, so no winner is named: what both
-- said stands side by side, with how far they are apart, which of them was silent, and one price with its quality.

create table reconciliation_threshold (
    symbol text not null default '*',
    valid_from timestamptz not null default '-infinity',
    diverged_bps numeric not null check (diverged_bps > 0),
    clash_factor numeric not null default 2 check (clash_factor > 1),
    primary key (symbol, valid_from)
);

comment on table reconciliation_threshold is
'How far the venues may be apart. Insert a row to change it, also for the past: views follow at once.';
comment on column reconciliation_threshold.symbol is 'The symbol that it is for; * is for all that have none.';
comment on column reconciliation_threshold.valid_from is 'The market''s time from which it counts, until the next one.';
comment on column reconciliation_threshold.diverged_bps is
'Basis points above which a minute is diverged. It stays so until they are less than half of this.';
comment on column reconciliation_threshold.clash_factor is
'Where one price is so many times the other, these are taken for two coins of one name, and left out.';

insert into reconciliation_threshold (diverged_bps) values (50);

create view threshold_period as
select
    symbol,
    valid_from,
    lead(valid_from, 1, 'infinity') over (partition by symbol order by valid_from) as valid_until,
    diverged_bps,
    20000 * (clash_factor - 1) / (clash_factor + 1) as clash_bps
from reconciliation_threshold;

comment on view threshold_period is 'The thresholds, until when each counts, and the factor in basis points.';

create function idle_status(of_venue text, of_symbol text, start_time timestamptz) returns text
language sql stable as $$
    select case
        when open_gap_touches($1, $2, $3, $3 + interval '1 minute') then 'feed_down'
        when exists (
            select from instrument
            where venue = $1 and symbol = $2 and (status = 'trading' or since >= $3 + interval '1 minute')
        ) then 'quiet'
        when exists (select from instrument where venue = $1 and symbol = $2 and status = 'halted') then 'halted'
        when exists (select from instrument where venue = $1) then 'not_listed'
        else 'quiet'
    end
$$;

comment on function idle_status is
'Why a venue has no candle of a minute: feed_down while an open gap touches it, not_listed, halted, else quiet.';

create function divergence_before(symbol text, start_time timestamptz) returns text language sql stable as $$
    select case when fact.apart_bps > coalesce(own.diverged_bps, common.diverged_bps) then 'diverged' else 'agreed' end
    from minute_fact as fact
    inner join threshold_period as common
        on common.symbol = '*' and fact.start_time >= common.valid_from and fact.start_time < common.valid_until
    left join threshold_period as own
        on own.symbol = fact.symbol and fact.start_time >= own.valid_from and fact.start_time < own.valid_until
    where fact.symbol = $1
        and fact.start_time < $2
        and (
            fact.apart_bps > coalesce(own.diverged_bps, common.diverged_bps)
            or fact.apart_bps < coalesce(own.diverged_bps, common.diverged_bps) / 2
        )
    order by fact.start_time desc
    limit 1
$$;

comment on function divergence_before is
'What the latest minute before `start_time` that was far enough apart, or near enough, says: diverged or agreed.';

create view reconciliation as
select
    fact.symbol,
    fact.start_time,
    fact.binance_close,
    fact.kucoin_close,
    fact.binance_quote_volume / nullif(fact.binance_volume, 0) as binance_vwap,
    fact.kucoin_quote_volume / nullif(fact.kucoin_volume, 0) as kucoin_vwap,
    fact.binance_volume,
    fact.kucoin_volume,
    fact.divergence_bps,
    judged.state,
    case
        when judged.state = 'suspected_clash' then null
        when fact.only_venue = 'binance' then fact.binance_quote_volume / nullif(fact.binance_volume, 0)
        when fact.only_venue = 'kucoin' then fact.kucoin_quote_volume / nullif(fact.kucoin_volume, 0)
        when fact.divergence_bps is not null
            then
                (fact.binance_quote_volume + fact.kucoin_quote_volume)
                / nullif(fact.binance_volume + fact.kucoin_volume, 0)
    end as consolidated_price,
    case
        when fact.only_venue is not null then 'single_venue'
        when fact.divergence_bps is null or judged.state = 'suspected_clash' then 'none'
        when judged.state = 'diverged' then 'diverged'
        else 'both'
    end as quality,
    fact.only_venue,
    fact.apart_bps,
    coalesce(own.diverged_bps, common.diverged_bps) as threshold_bps,
    told.binance_status,
    told.kucoin_status,
    fact.binance_trade_count,
    fact.kucoin_trade_count,
    (fact.binance_volume - fact.kucoin_volume) / nullif(fact.binance_volume + fact.kucoin_volume, 0) as volume_spread,
    fact.binance_last_trade_time,
    fact.kucoin_last_trade_time,
    fact.binance_last_trade_time - fact.kucoin_last_trade_time as last_trade_difference,
    fact.binance_complete,
    fact.kucoin_complete,
    fact.binance_origin,
    fact.kucoin_origin,
    fact.day
from minute_fact as fact
left join threshold_period as common
    on common.symbol = '*' and fact.start_time >= common.valid_from and fact.start_time < common.valid_until
left join threshold_period as own
    on fact.symbol = own.symbol and fact.start_time >= own.valid_from and fact.start_time < own.valid_until
cross join
    lateral ( -- noqa: ST05
        select
            case
                when fact.binance_complete is false then 'incomplete'
                when fact.binance_close is not null then 'traded'
                else idle_status('binance', fact.symbol, fact.start_time)
            end as binance_status,
            case
                when fact.kucoin_complete is false then 'incomplete'
                when fact.kucoin_close is not null then 'traded'
                else idle_status('kucoin', fact.symbol, fact.start_time)
            end as kucoin_status
    ) as told
cross join
    lateral ( -- noqa: ST05
        select
            case
                when fact.apart_bps >= coalesce(own.clash_bps, common.clash_bps) then 'suspected_clash'
                when fact.apart_bps > coalesce(own.diverged_bps, common.diverged_bps) then 'diverged'
                when fact.apart_bps < coalesce(own.diverged_bps, common.diverged_bps) / 2 then 'agreed'
                when fact.apart_bps is not null then coalesce(divergence_before(fact.symbol, fact.start_time), 'agreed')
                when fact.only_venue = 'binance'
                    then case when told.kucoin_status in ('quiet', 'halted') then 'stale' else 'one_sided' end
                when fact.only_venue = 'kucoin'
                    then case when told.binance_status in ('quiet', 'halted') then 'stale' else 'one_sided' end
                when
                    told.binance_status in ('incomplete', 'feed_down')
                    or told.kucoin_status in ('incomplete', 'feed_down')
                    then 'down'
                else 'idle'
            end as state
    ) as judged
-- A minute has closed when a second has passed since its end; the job that writes facts takes a few more.
where fact.start_time <= (select newest_trade_counted()) - interval '65 seconds';

comment on view reconciliation is
'Both venues against each other in every closed minute since the symbol''s first: what both said, how far they are
apart, which was silent, and one price with its quality.';
comment on column reconciliation.binance_close is 'Last price at Binance in the minute; null where it has none.';
comment on column reconciliation.binance_vwap is 'Volume-weighted average price at Binance, quote per base.';
comment on column reconciliation.binance_volume is 'What Binance traded, in base units.';
comment on column reconciliation.divergence_bps is
'Binance''s close less KuCoin''s, in basis points of their mid; null unless both traded and neither is incomplete.';
comment on column reconciliation.state is
'agreed, or diverged (more than threshold_bps apart, until less than half of it); stale (one venue trades, the other is
listed and silent); one_sided (the other''s feed is down, or it does not list the symbol); idle (neither traded); down
(neither can be used, since a feed is down); suspected_clash (so far apart that these are two coins of one name).';
comment on column reconciliation.consolidated_price is
'Volume-weighted average price of the venues that traded and are not incomplete; look at quality before you use it.';
comment on column reconciliation.quality is
'Of consolidated_price: both, single_venue, diverged (of both, which are far apart), none (there is none).';
comment on column reconciliation.only_venue is 'The venue that the price rests on, where it rests on one.';
comment on column reconciliation.apart_bps is 'divergence_bps without its sign.';
comment on column reconciliation.threshold_bps is 'What reconciliation_threshold says for the symbol and minute.';
comment on column reconciliation.binance_status is
'traded; incomplete (an open gap touches the candle); and without a candle: feed_down (an open gap touches the minute),
not_listed, halted, quiet.';
comment on column reconciliation.volume_spread is
'Binance''s volume less KuCoin''s, as a part of both: 1 where only Binance traded, -1 where only KuCoin did.';
comment on column reconciliation.last_trade_difference is 'How much later Binance''s last trade was than KuCoin''s.';
comment on column reconciliation.day is 'The UTC day of the minute.';

-- What the tickers say now. They are of the whole market, also of symbols whose trades are not followed.
create view reconciliation_live as
with clock as (
    select max(event_time) as now from ticker
),

told as (
    select
        binance.symbol,
        binance.last_price as binance_last,
        kucoin.last_price as kucoin_last,
        (binance.bid_price + binance.ask_price) / 2 as binance_mid,
        (kucoin.bid_price + kucoin.ask_price) / 2 as kucoin_mid,
        clock.now - binance.event_time as binance_age,
        clock.now - kucoin.event_time as kucoin_age,
        clock.now
    from ticker as binance
    inner join ticker as kucoin on binance.symbol = kucoin.symbol and kucoin.venue = 'kucoin'
    cross join clock
    where binance.venue = 'binance'
),

-- Where a venue has two codes for one symbol, the one that trades is meant.
listed as (
    select
        venue,
        symbol,
        min(case status when 'trading' then 0 when 'halted' then 1 else 2 end) as worst
    from instrument
    group by venue, symbol
),

life as (
    select
        symbol,
        max(worst) as worst
    from listed
    group by symbol
)

select
    told.symbol,
    told.binance_last,
    told.kucoin_last,
    told.binance_mid,
    told.kucoin_mid,
    case when judged.state <> 'suspected_clash' then apart.last_bps end as last_divergence_bps,
    case when judged.state <> 'suspected_clash' then apart.mid_bps end as mid_divergence_bps,
    told.binance_age,
    told.kucoin_age,
    judged.state,
    told.now
from told
left join life on told.symbol = life.symbol
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
                when life.worst = 1 then 'halted'
                when abs(coalesce(apart.mid_bps, apart.last_bps)) >= coalesce(own.clash_bps, common.clash_bps)
                    then 'suspected_clash'
                when abs(coalesce(apart.mid_bps, apart.last_bps)) > coalesce(own.diverged_bps, common.diverged_bps)
                    then 'diverged'
                else 'agreed'
            end as state
    ) as judged
where coalesce(life.worst, 0) < 2;

comment on view reconciliation_live is
'Both venues against each other now, for every symbol that both list: as new as the tickers are.';
comment on column reconciliation_live.binance_mid is
'Middle of Binance''s best bid and ask; null where these are not followed.';
comment on column reconciliation_live.last_divergence_bps is
'Binance''s last price less KuCoin''s, in basis points of their mid; null where the symbol is left out.';
comment on column reconciliation_live.mid_divergence_bps is 'The same of the middles of bid and ask.';
comment on column reconciliation_live.binance_age is
'How far Binance''s last word is behind the newest of any venue and symbol.';
comment on column reconciliation_live.state is
'agreed, diverged (above the threshold now), halted (at one of them), or suspected_clash: the prices are so far apart
that these are two coins of one name, so the symbol is left out.';
comment on column reconciliation_live.now is 'The market''s now: the newest time of any ticker.';

create function minutes_touched(gaps tstzmultirange, from_time timestamptz, to_time timestamptz) returns bigint
language sql immutable parallel safe as $$
    select count(*)
    from generate_series($2, $3 - interval '1 minute', interval '1 minute') as minute
    where $1 && tstzrange(minute, minute + interval '1 minute')
$$;

comment on function minutes_touched is 'How many minutes from `from_time` to before `to_time` a gap touches.';

-- An hour in which a venue gave nothing has no row of its own, so the hours are made up. Which symbols there are, and
-- since when, is told by what was counted.
create view completeness as
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
    select generate_series(min(start_time), max(start_time), interval '1 hour') as start_time
    from hour_fact
),

counted as (
    select
        found.venue,
        found.symbol,
        hour.start_time,
        -- Of the hour that runs, the minutes that have begun.
        least(
            60,
            cast(extract(epoch from date_trunc('minute', clock.now) - hour.start_time) as bigint) / 60 + 1
        ) as minutes_expected,
        found.minutes_traded,
        found.minutes_repaired,
        found.open_gaps
    from hour
    cross join newest_trade_counted() as clock (now)
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
                    minutes_touched(counted.open_gaps, counted.start_time, counted.start_time + interval '1 hour')
                )
            else 0
        end as minutes
) as missed;

comment on view completeness is
'How complete each venue was, by symbol and hour since its first; minutes_expected are those traded, idle and missing.';
comment on column completeness.start_time is 'The start of the hour.';
comment on column completeness.minutes_expected is 'Minutes of the hour, as far as they have begun.';
comment on column completeness.minutes_traded is 'Minutes that have a candle.';
comment on column completeness.minutes_idle is 'Minutes in which nothing was traded, as far as is known.';
comment on column completeness.minutes_missing is 'Minutes without a candle while a gap is open that touches them.';
comment on column completeness.minutes_repaired is
'Those of minutes_traded for which the venue''s own candle stands, or stood: for missed trades, or in history.';

grant select on reconciliation_threshold, threshold_period, reconciliation, reconciliation_live, completeness
to pricebraid_reader, pricebraid_writer;
