-- One venue against the other, minute by minute. With two venues there is no majority, so no winner is named: what both
-- said stands side by side, with how far they are apart, which of them was silent, and one price with its quality.

create table reconciliation_threshold (
    symbol text not null default '*',
    valid_from timestamptz not null default '-infinity',
    diverged_bps numeric not null check (diverged_bps > 0),
    clash_factor numeric check (clash_factor > 1),
    primary key (symbol, valid_from)
);

comment on table reconciliation_threshold is
'How far the venues may be apart. Insert a row to change it, also for the past: views follow at once.';
comment on column reconciliation_threshold.symbol is 'The symbol that it is for; * is for all that have none.';
comment on column reconciliation_threshold.valid_from is 'The market''s time from which it counts, until the next one.';
comment on column reconciliation_threshold.diverged_bps is
'Basis points above which a minute is diverged. It stays so until they are less than half of this.';
comment on column reconciliation_threshold.clash_factor is
'Where one price is so many times the other, these are two coins of one name, and left out. Null: as for all symbols.';

insert into reconciliation_threshold (diverged_bps, clash_factor) values (50, 2);

create view threshold_period as
select
    symbol,
    valid_from,
    lead(valid_from, 1, 'infinity') over (partition by symbol order by valid_from) as valid_until,
    diverged_bps,
    20000 * (clash_factor - 1) / (clash_factor + 1) as clash_bps
from reconciliation_threshold;

comment on view threshold_period is 'The thresholds, until when each counts, and the factor in basis points.';

create function divergence_before(symbol text, start_time timestamptz, diverged_bps numeric) returns text
language sql stable as $$
    select case when fact.apart_bps > $3 then 'diverged' else 'agreed' end
    from minute_fact as fact
    where fact.symbol = $1
        and fact.start_time < $2
        and fact.start_time >= $2 - interval '6 hours'
        and (fact.apart_bps > $3 or fact.apart_bps < $3 / 2)
    order by fact.start_time desc
    limit 1
$$;

comment on function divergence_before is
'What the latest minute in the six hours before `start_time` says that was further apart than `diverged_bps`, or nearer
than half of it: diverged or agreed; null where there is none.';

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
        when fact.apart_bps >= limits.clash_bps then null
        when fact.only_venue = 'binance' then fact.binance_quote_volume / nullif(fact.binance_volume, 0)
        when fact.only_venue = 'kucoin' then fact.kucoin_quote_volume / nullif(fact.kucoin_volume, 0)
        when fact.divergence_bps is not null
            then
                (fact.binance_quote_volume + fact.kucoin_quote_volume)
                / nullif(fact.binance_volume + fact.kucoin_volume, 0)
    end as consolidated_price,
    case
        when fact.only_venue is not null then 'single_venue'
        when fact.apart_bps is null or fact.apart_bps >= limits.clash_bps then 'none'
        when judged.state = 'diverged' then 'diverged'
        else 'both'
    end as quality,
    fact.only_venue,
    fact.apart_bps,
    limits.diverged_bps as threshold_bps,
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
            coalesce(own.diverged_bps, common.diverged_bps, 50) as diverged_bps,
            coalesce(own.clash_bps, common.clash_bps, 20000 / 3.0) as clash_bps
    ) as limits
cross join
    lateral ( -- noqa: ST05
        select
            case
                when fact.binance_complete is false then 'incomplete'
                when fact.binance_close is not null then 'traded'
                when exists (
                    select from gap
                    where
                        venue = 'binance'
                        and symbol = fact.symbol
                        and closed is null
                        and span && tstzrange(fact.start_time, fact.start_time + interval '1 minute')
                ) then 'feed_down'
                when exists (
                    select from instrument
                    where
                        venue = 'binance'
                        and symbol = fact.symbol
                        and (status = 'trading' or since >= fact.start_time + interval '1 minute')
                ) then 'quiet'
                when exists (
                    select from instrument
                    where venue = 'binance' and symbol = fact.symbol and status = 'halted'
                ) then 'halted'
                when exists (
                    select from instrument
                    where venue = 'binance'
                ) then 'not_listed'
                else 'quiet'
            end as binance_status,
            case
                when fact.kucoin_complete is false then 'incomplete'
                when fact.kucoin_close is not null then 'traded'
                when exists (
                    select from gap
                    where
                        venue = 'kucoin'
                        and symbol = fact.symbol
                        and closed is null
                        and span && tstzrange(fact.start_time, fact.start_time + interval '1 minute')
                ) then 'feed_down'
                when exists (
                    select from instrument
                    where
                        venue = 'kucoin'
                        and symbol = fact.symbol
                        and (status = 'trading' or since >= fact.start_time + interval '1 minute')
                ) then 'quiet'
                when exists (
                    select from instrument
                    where venue = 'kucoin' and symbol = fact.symbol and status = 'halted'
                ) then 'halted'
                when exists (
                    select from instrument
                    where venue = 'kucoin'
                ) then 'not_listed'
                else 'quiet'
            end as kucoin_status
    ) as told
cross join
    lateral ( -- noqa: ST05
        select
            case
                when fact.apart_bps >= limits.clash_bps then 'suspected_clash'
                when fact.apart_bps > limits.diverged_bps then 'diverged'
                when fact.apart_bps < limits.diverged_bps / 2 then 'agreed'
                when fact.apart_bps is not null
                    then coalesce(divergence_before(fact.symbol, fact.start_time, limits.diverged_bps), 'agreed')
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

comment on view reconciliation_live is
'Both venues against each other now, for every symbol that both list: as new as the tickers are.';
comment on column reconciliation_live.binance_mid is
'Middle of Binance''s best bid and ask; null where these are not followed.';
comment on column reconciliation_live.last_divergence_bps is
'Binance''s last price less KuCoin''s, in basis points of their mid; null where the symbol is left out.';
comment on column reconciliation_live.mid_divergence_bps is 'The same of the middles of bid and ask.';
comment on column reconciliation_live.binance_age is
'How far Binance''s last word is behind the market''s now.';
comment on column reconciliation_live.state is
'agreed, diverged (above the threshold now), halted (at one of them), stale (one has said nothing for five minutes),
unknown (one has no price), or suspected_clash: the prices are so far apart that these are two coins of one name. The
differences are there for the first two alone.';
comment on column reconciliation_live.now is
'The market''s now: the match time of the newest trade that a candle counts.';

grant select on reconciliation_threshold, threshold_period, reconciliation, reconciliation_live
to pricebraid_reader, pricebraid_writer;
