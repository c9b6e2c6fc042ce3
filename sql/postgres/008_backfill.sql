-- Candles from before the horizon within which the jobs correct: repair stores the venue's own minutes here, and
-- everything coarser is made anew from the minutes.

create table repair_progress (
    venue text not null,
    symbol text not null,
    task text not null,
    up_to timestamptz not null,
    primary key (venue, symbol, task)
);

comment on table repair_progress is
'How far repair has come in what it does minute by minute, so that it resumes there.';
comment on column repair_progress.task is 'What it does: a check, or a backfill of some range.';
comment on column repair_progress.up_to is 'The market''s time before which everything is done.';

grant select, insert, update, delete on repair_progress to pricebraid_writer;
grant select on repair_progress to pricebraid_reader;

create function micros_time(micros bigint) returns timestamptz language sql immutable parallel safe as $$
    -- Exact: an interval is multiplied as a whole number of microseconds, which a double holds until the year 2255.
    select timestamptz 'epoch' + micros * interval '1 microsecond'
$$;

comment on function micros_time is 'The time that is so many microseconds after 1970 (UTC), as records have it.';

-- History lies where no partition was made ahead for it. In the default partition it could only be deleted row by row.
create function make_partitions_for("interval" text, from_time timestamptz, to_time timestamptz) returns void
language plpgsql set timezone to 'UTC' as $$
declare
    span interval := (select p.span from candle_partitioning as p where p."interval" = $1);
    start_at timestamptz := partition_start(from_time, span);
begin
    while start_at < to_time loop
        if to_regclass('candle_' || $1 || '_' || to_char(start_at, 'YYYYMMDD')) is null then
            perform pg_advisory_xact_lock(hashtext('maintain_partitions'));
            perform make_candle_partition($1, start_at, start_at + span);
        end if;
        start_at := start_at + span;
    end loop;
end
$$;

comment on function make_partitions_for is
'Makes the partitions of an interval''s candles from `from_time` to before `to_time` where they are missing.';

create function store_venue_candles(candles jsonb) returns integer
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
declare
    stored integer;
begin
    perform make_partitions_for('1m', month, month + interval '1 month')
    from (
        select distinct date_trunc('month', micros_time(item.start_time), 'UTC') as month
        from jsonb_to_recordset(candles) as item (start_time bigint)
    ) as months;
    insert into candle_1m as candle (
        venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, taker_buy_base_volume,
        trade_count, first_id, last_id, origin, complete, known_time, generation, version
    )
    select distinct on (item.venue, item.symbol, item.start_time)
        item.venue,
        item.symbol,
        micros_time(item.start_time),
        item.open,
        item.high,
        item.low,
        item.close,
        item.base_volume,
        item.quote_volume,
        item.taker_buy_base_volume,
        item.trade_count,
        item.first_id,
        item.last_id,
        'venue_candle',
        item.supersedes or not open_gap_touches(
            item.venue, item.symbol, micros_time(item.start_time), micros_time(item.start_time + 60000000)
        ),
        micros_time(item.known_time),
        0,
        1
    from jsonb_to_recordset(candles) as item (
        venue text,
        symbol text,
        start_time bigint,
        open numeric,
        high numeric,
        low numeric,
        close numeric,
        base_volume numeric,
        quote_volume numeric,
        taker_buy_base_volume numeric,
        trade_count bigint,
        first_id bigint,
        last_id bigint,
        supersedes boolean,
        known_time bigint,
        fetched_time bigint
    )
    left join candle_1m as standing
        on standing.venue = item.venue
            and standing.symbol = item.symbol
            and standing.start_time = micros_time(item.start_time)
    -- Trades win where they are complete. Else they give way only to a candle that was fetched to close their gap.
    where standing.origin is distinct from 'trades'
        or (item.supersedes and standing.complete is not true)
    order by item.venue, item.symbol, item.start_time, item.supersedes desc, item.fetched_time desc
    on conflict (venue, symbol, start_time) do update set
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        base_volume = excluded.base_volume,
        quote_volume = excluded.quote_volume,
        taker_buy_base_volume = excluded.taker_buy_base_volume,
        trade_count = excluded.trade_count,
        first_id = excluded.first_id,
        last_id = excluded.last_id,
        origin = excluded.origin,
        complete = excluded.complete,
        known_time = greatest(excluded.known_time, candle.known_time)
    where candle.origin = 'venue_candle' or candle.complete is not true;
    get diagnostics stored = row_count;
    return stored;
end
$$;

comment on function store_venue_candles is
'Stores the venue''s own minutes, an array of the records of `venue_candles`, and returns how many it stored. Trades win
where they are complete; a venue candle fills minutes without trades, and takes the place of incomplete trades where it
was fetched to close their gap (`supersedes`). What a job writes of such a minute later still wins. Coarser candles are
left as they are: see recompute_candles.';

create function recompute_candles(venue text, symbol text, from_time timestamptz, to_time timestamptz) returns integer
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
#variable_conflict use_column
declare
    written integer;
begin
    perform make_partitions_for(p."interval", $3, $4)
    from candle_partitioning as p
    where p."interval" not in ('1s', '1m')
    -- A reader of all intervals locks them in this order.
    order by p."interval";
    insert into candle (
        venue, symbol, "interval", start_time, open, high, low, close, base_volume, quote_volume, taker_buy_base_volume,
        trade_count, first_id, last_id, origin, complete, last_trade_time, known_time, generation, version
    )
    select
        $1,
        $2,
        made."interval",
        made.start_time,
        made.open,
        made.high,
        made.low,
        made.close,
        made.base_volume,
        made.quote_volume,
        made.taker_buy_base_volume,
        made.trade_count,
        made.first_id,
        made.last_id,
        made.origin,
        made.complete and not open_gap_touches($1, $2, made.start_time, made.start_time + candle_span(made."interval")),
        made.last_trade_time,
        made.known_time,
        0,
        made.minutes
    from (
        select
            p."interval",
            date_bin(candle_span(p."interval"), m.start_time, 'epoch') as start_time,
            (array_agg(m.open order by m.start_time))[1] as open,
            max(m.high) as high,
            min(m.low) as low,
            (array_agg(m.close order by m.start_time desc))[1] as close,
            sum(m.base_volume) as base_volume,
            sum(m.quote_volume) as quote_volume,
            -- What is not known of one minute is not known of all of them.
            case when bool_and(m.taker_buy_base_volume is not null) then sum(m.taker_buy_base_volume) end
                as taker_buy_base_volume,
            case when bool_and(m.trade_count is not null) then sum(m.trade_count) end as trade_count,
            min(m.first_id) as first_id,
            max(m.last_id) as last_id,
            case when bool_or(m.origin = 'venue_candle') then 'venue_candle' else 'trades' end as origin,
            bool_and(m.complete) as complete,
            max(m.last_trade_time) as last_trade_time,
            max(m.known_time) as known_time,
            count(*) as minutes
        from candle_partitioning as p
        inner join candle_1m as m
            on m.venue = $1
                and m.symbol = $2
                and m.start_time >= date_bin(candle_span(p."interval"), $3, 'epoch')
                and m.start_time < date_bin(candle_span(p."interval"), $4 - interval '1 microsecond', 'epoch')
                + candle_span(p."interval")
        where p."interval" not in ('1s', '1m')
        group by 1, 2
    ) as made
    on conflict (venue, symbol, "interval", start_time) do update set
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        base_volume = excluded.base_volume,
        quote_volume = excluded.quote_volume,
        taker_buy_base_volume = excluded.taker_buy_base_volume,
        trade_count = excluded.trade_count,
        first_id = excluded.first_id,
        last_id = excluded.last_id,
        origin = excluded.origin,
        complete = excluded.complete,
        last_trade_time = excluded.last_trade_time,
        known_time = greatest(excluded.known_time, candle.known_time);
    get diagnostics written = row_count;
    return written;
end
$$;

comment on function recompute_candles is
'Makes the 5-minute to 1-day candles that the times from `from_time` to before `to_time` touch anew from all of their
minutes, and returns how many; those without any minute are left as they are. What a job writes of them later still wins.
The minutes of a touched day must all still be kept: of an older range give whole days.';

-- These run with the owner's rights: the guard lets them correct a row that stands, and they make partitions.
revoke execute on function store_venue_candles, recompute_candles from public;
grant execute on function store_venue_candles, recompute_candles to pricebraid_writer;
