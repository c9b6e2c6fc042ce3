-- Candles without holes: a bucket in which nothing was traded is flat at the close before it, and says why.

create function idle_candle(
    of_venue text,
    of_symbol text,
    of_interval text,
    at_time timestamptz,
    last_close numeric,
    gaps tstzmultirange,
    open_gaps tstzmultirange
) returns table (
    venue text,
    symbol text,
    "interval" text,
    start_time timestamptz,
    open numeric,
    high numeric,
    low numeric,
    close numeric,
    base_volume numeric,
    quote_volume numeric,
    vwap numeric,
    taker_buy_base_volume numeric,
    trade_count bigint,
    first_id bigint,
    last_id bigint,
    origin text,
    complete boolean,
    revision integer,
    updated_at timestamptz,
    reason text
) language sql immutable parallel safe as $$
    select
        $1, $2, $3, $4, $5, $5, $5, $5, 0::numeric, 0::numeric, null::numeric, 0::numeric, 0::bigint,
        null::bigint, null::bigint, null::text,
        ($7 && tstzrange($4, $4 + candle_span($3))) is not true,
        0, null::timestamptz,
        case when $6 && tstzrange($4, $4 + candle_span($3)) then 'feed_down' else 'quiet' end
$$;

comment on function idle_candle is
'The candle of a bucket without trades: flat at the last close before it. `gaps` are all of the symbol''s and
`open_gaps` those that are open; null means none. The reason is `feed_down` where a gap touches the bucket.';

-- Postgres hands a filter on the time down to rows that it reads, but not to buckets that it makes up. So these are
-- made for all symbols in one go, which is cheap, and only those that the filter lets through are looked at.
create function candle_buckets("interval" text) returns setof timestamptz language sql stable as $$
    select generate_series(
        greatest(
            (select min(start_time) from candle_1d),
            (
                select min(to_timestamp(right(child.relname, 8) || ' UTC', 'YYYYMMDD TZ'))
                from pg_inherits
                inner join pg_class as child on pg_inherits.inhrelid = child.oid
                where pg_inherits.inhparent = to_regclass('candle_' || $1) and child.relname ~ '_[0-9]{8}$'
            )
        ),
        newest_trade_counted(),
        candle_span($1)
    )
$$;

comment on function candle_buckets is
'Starts of the buckets of an interval, from the oldest that can have candles to the market''s now.';

create index candle_1d_start_time on candle_1d (start_time);

-- Which symbols there are is told by the candles of a day, of which there are few.
create view candle_filled as
select
    venue,
    symbol,
    "interval",
    start_time,
    open,
    high,
    low,
    close,
    base_volume,
    quote_volume,
    vwap(candle) as vwap,
    taker_buy_base_volume,
    trade_count,
    first_id,
    last_id,
    origin,
    complete,
    revision,
    updated_at,
    null::text as reason
from candle
union all
select idle.*
from (
    select distinct
        venue,
        symbol
    from candle_1d
) as series
cross join
    lateral (
        select
            range_agg(gap.span) as gaps,
            range_agg(gap.span) filter (where gap.closed is null) as open_gaps
        from gap
        where gap.venue = series.venue and gap.symbol = series.symbol
    ) as missed
cross join (
    select
        item."interval",
        bucket.start_time
    from candle_partitioning as item
    cross join lateral candle_buckets(item."interval") as bucket (start_time)
) as bucket
cross join
    lateral (
        select close
        from candle
        where
            venue = series.venue
            and symbol = series.symbol
            and "interval" = bucket."interval"
            and start_time < bucket.start_time
        order by start_time desc
        limit 1
    ) as last
cross join
    lateral idle_candle(
        series.venue, series.symbol, bucket."interval", bucket.start_time, last.close, missed.gaps, missed.open_gaps
    ) as idle
where not exists (
    select from candle
    where
        venue = series.venue
        and symbol = series.symbol
        and "interval" = bucket."interval"
        and start_time = bucket.start_time
);

comment on view candle_filled is
'Candles, and a flat one for every bucket without trades since the symbol''s first, up to the market''s now. Say which
venue, symbol, interval and times you want; candle_range is faster for one symbol.';
comment on column candle_filled.vwap is 'Volume-weighted average price, quote per base; null in an idle bucket.';
comment on column candle_filled.complete is 'False while an open gap touches the bucket.';
comment on column candle_filled.reason is
'Why nothing was traded: quiet, or feed_down where a gap touches the bucket; null where something was.';

grant select on candle_filled to pricebraid_reader;

create function candle_range(
    venue text, symbol text, "interval" text, from_time timestamptz, to_time timestamptz
) returns setof candle_filled language sql stable rows 1000 as $$
    with known as (
        (
            select *
            from candle
            where candle.venue = $1 and candle.symbol = $2 and candle."interval" = $3 and candle.start_time < $4
            order by candle.start_time desc
            limit 1
        )
        union all
        select *
        from candle
        where candle.venue = $1 and candle.symbol = $2 and candle."interval" = $3
            and candle.start_time >= $4 and candle.start_time < $5
    ),
    missed as (
        select range_agg(gap.span) as gaps, range_agg(gap.span) filter (where gap.closed is null) as open_gaps
        from gap
        where gap.venue = $1 and gap.symbol = $2 and gap.from_time < $5 + candle_span($3)
    ),
    -- After each candle nothing was traded until the next one; after the last, until the end of the range or now.
    idle as (
        select
            start_time + candle_span($3) as from_time,
            coalesce(
                lead(start_time) over (order by start_time) - interval '1 microsecond',
                least($5 - interval '1 microsecond', coalesce(newest_trade_counted(), '-infinity'))
            ) as to_time,
            close
        from known
    )
    select
        venue, symbol, "interval", start_time, open, high, low, close, base_volume, quote_volume, vwap(candle),
        taker_buy_base_volume, trade_count, first_id, last_id, origin, complete, revision, updated_at, null
    from known as candle
    where start_time >= $4
    union all
    select filled.*
    from missed
    cross join idle
    cross join lateral generate_series(
        greatest(
            idle.from_time,
            date_bin(candle_span($3), $4 + candle_span($3) - interval '1 microsecond', timestamptz 'epoch')
        ),
        idle.to_time,
        candle_span($3)
    ) as bucket (start_time)
    cross join lateral idle_candle(
        $1, $2, $3, bucket.start_time, idle.close, missed.gaps, missed.open_gaps
    ) as filled
    order by start_time
$$;

comment on function candle_range is
'Candles that start from `from_time` to before `to_time`, in order, with a flat one for every bucket without trades
since the symbol''s first candle, up to the market''s now.';
