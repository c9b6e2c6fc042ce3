-- How much of each hour is known of each venue and symbol.

create function minutes_missing(
    of_venue text, of_symbol text, gaps tstzmultirange, from_time timestamptz, to_time timestamptz
) returns bigint language sql stable as $$
    select count(*)
    from generate_series($4, $5 - interval '1 microsecond', interval '1 minute') as minute
    where $3 && tstzrange(minute, minute + interval '1 minute')
        and not exists (
            select from candle_1m where venue = $1 and symbol = $2 and start_time = minute
        )
$$;

comment on function minutes_missing is
'How many minutes from `from_time` to before `to_time` have no candle while one of the gaps touches them.';

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
        found.open_gaps,
        clock.now
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

comment on view completeness is
'How complete each venue was, by symbol and hour since its first; minutes_expected are those traded, idle and missing.';
comment on column completeness.start_time is 'The start of the hour.';
comment on column completeness.minutes_expected is 'Minutes of the hour, as far as they have begun.';
comment on column completeness.minutes_traded is 'Minutes that have a candle.';
comment on column completeness.minutes_idle is 'Minutes in which nothing was traded, as far as is known.';
comment on column completeness.minutes_missing is 'Minutes without a candle while a gap is open that touches them.';
comment on column completeness.minutes_repaired is
'Those of minutes_traded for which the venue''s own candle stands, or stood: for missed trades, or in history.';

grant select on completeness to pricebraid_reader, pricebraid_writer;
