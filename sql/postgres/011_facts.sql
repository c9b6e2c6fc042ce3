-- What both venues said of a minute and of an hour, side by side: the facts that one is set against the other by.

-- Nothing is judged here but by what is in the row, so no correction can leave a wrong judgement behind.
create table minute_fact (
    symbol text not null,
    start_time timestamptz not null,
    binance_close numeric,
    binance_volume numeric,
    binance_quote_volume numeric,
    binance_trade_count bigint,
    binance_last_trade_time timestamptz,
    binance_origin text,
    binance_complete boolean,
    kucoin_close numeric,
    kucoin_volume numeric,
    kucoin_quote_volume numeric,
    kucoin_trade_count bigint,
    kucoin_last_trade_time timestamptz,
    kucoin_origin text,
    kucoin_complete boolean,
    version bigint not null,
    divergence_bps numeric generated always as (
        case
            when binance_complete is not false and kucoin_complete is not false
                then round(20000 * (binance_close - kucoin_close) / nullif(binance_close + kucoin_close, 0), 6)
        end
    ) stored,
    apart_bps numeric generated always as (
        case
            when binance_complete is not false and kucoin_complete is not false
                then round(abs(20000 * (binance_close - kucoin_close) / nullif(binance_close + kucoin_close, 0)), 6)
        end
    ) stored,
    only_venue text generated always as (
        case
            when
                (binance_close is not null and binance_complete is not false)
                and (kucoin_close is null or kucoin_complete is false)
                then 'binance'
            when
                (kucoin_close is not null and kucoin_complete is not false)
                and (binance_close is null or binance_complete is false)
                then 'kucoin'
        end
    ) stored,
    day date generated always as (cast(start_time at time zone 'UTC' as date)) stored,
    primary key (symbol, start_time)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

comment on table minute_fact is
'Both venues'' candle of a minute side by side, null where one has none. Ask the view reconciliation instead.';

create index minute_fact_start_time on minute_fact (start_time);
create index minute_fact_worst on minute_fact (day, apart_bps desc nulls last);
create index minute_fact_only_venue on minute_fact (start_time, symbol, only_venue) where only_venue is not null;

create table hour_fact (
    venue text not null,
    symbol text not null,
    start_time timestamptz not null,
    minutes_traded bigint not null,
    minutes_repaired bigint not null,
    primary key (venue, symbol, start_time)
);

comment on table hour_fact is 'In how many minutes of an hour a venue traded. Ask the view completeness instead.';

create index hour_fact_start_time on hour_fact (start_time);

-- The sink is at-least-once, as that of the candles.
create function minute_fact_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        return case when current_user = 'pricebraid_writer' then null else old end;
    end if;
    if tg_op = 'UPDATE' and new.version < old.version and current_user = 'pricebraid_writer' then
        return null;
    end if;
    -- A candle never vanishes: a side that the job does not know was written past it.
    if tg_op = 'UPDATE' and current_user = 'pricebraid_writer' then
        if new.binance_close is null and old.binance_close is not null then
            new.binance_close := old.binance_close;
            new.binance_volume := old.binance_volume;
            new.binance_quote_volume := old.binance_quote_volume;
            new.binance_trade_count := old.binance_trade_count;
            new.binance_last_trade_time := old.binance_last_trade_time;
            new.binance_origin := old.binance_origin;
            new.binance_complete := old.binance_complete;
        end if;
        if new.kucoin_close is null and old.kucoin_close is not null then
            new.kucoin_close := old.kucoin_close;
            new.kucoin_volume := old.kucoin_volume;
            new.kucoin_quote_volume := old.kucoin_quote_volume;
            new.kucoin_trade_count := old.kucoin_trade_count;
            new.kucoin_last_trade_time := old.kucoin_last_trade_time;
            new.kucoin_origin := old.kucoin_origin;
            new.kucoin_complete := old.kucoin_complete;
        end if;
    end if;
    new.binance_close := trim_scale(new.binance_close);
    new.binance_volume := trim_scale(new.binance_volume);
    new.binance_quote_volume := trim_scale(new.binance_quote_volume);
    new.kucoin_close := trim_scale(new.kucoin_close);
    new.kucoin_volume := trim_scale(new.kucoin_volume);
    new.kucoin_quote_volume := trim_scale(new.kucoin_quote_volume);
    return new;
end
$$;

comment on function minute_fact_guard is
'Refuses older rows and the sink''s deletes, and keeps a side that the sink does not know.';

create trigger minute_fact_guard before insert or update or delete on minute_fact
for each row execute function minute_fact_guard();

create function hour_fact_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        return case when current_user = 'pricebraid_writer' then null else old end;
    end if;
    -- A later start of the job counts an hour anew from its first minute, and history may lie before its horizon.
    new.minutes_traded := greatest(new.minutes_traded, old.minutes_traded);
    new.minutes_repaired := greatest(new.minutes_repaired, old.minutes_repaired);
    return new;
end
$$;

comment on function hour_fact_guard is 'Lets no count shrink, and refuses the sink''s deletes.';

create trigger hour_fact_guard before update or delete on hour_fact
for each row execute function hour_fact_guard();

-- A minute in which neither venue traded is a row as well, which is known once one of them trades again. What never
-- trades again, since it was delisted, has no such rows: it is not silent for ever, but over.
create function fill_idle_minutes() returns trigger language plpgsql as $$
begin
    -- Towards the minute before it and the one after it: history comes after what is live.
    insert into minute_fact (symbol, start_time, version)
    select new.symbol, moment, 0
    from (
        select max(start_time) as from_time, new.start_time as to_time
        from minute_fact
        where symbol = new.symbol and start_time < new.start_time
        union all
        select new.start_time, min(start_time)
        from minute_fact
        where symbol = new.symbol and start_time > new.start_time
    ) as hole
    cross join lateral generate_series(
        hole.from_time + interval '1 minute', hole.to_time - interval '1 minute', interval '1 minute'
    ) as moment
    where hole.to_time - hole.from_time <= interval '1 day'
    on conflict do nothing;
    return null;
end
$$;

comment on function fill_idle_minutes is
'Makes rows for the minutes without trades, of a day at most, between a symbol''s new minute and those beside it.';

create trigger fill_idle_minutes after insert on minute_fact
for each row when (new.version > 0) execute function fill_idle_minutes();

-- Older history is written to the candles directly, past the job.
create function recompute_reconciliation(symbol text, from_time timestamptz, to_time timestamptz) returns integer
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
#variable_conflict use_column
declare
    written integer;
begin
    -- Who writes the other venue's history at the same time must see this one's, or would write what it was before.
    perform pg_advisory_xact_lock(hashtext('recompute_reconciliation ' || $1));
    insert into minute_fact as fact (
        symbol, start_time,
        binance_close, binance_volume, binance_quote_volume, binance_trade_count, binance_last_trade_time,
        binance_origin, binance_complete,
        kucoin_close, kucoin_volume, kucoin_quote_volume, kucoin_trade_count, kucoin_last_trade_time,
        kucoin_origin, kucoin_complete,
        version
    )
    select
        $1, start_time,
        b.close, b.base_volume, b.quote_volume, b.trade_count, b.last_trade_time, b.origin, b.complete,
        k.close, k.base_volume, k.quote_volume, k.trade_count, k.last_trade_time, k.origin, k.complete,
        1
    from (
        select * from candle_1m
        where venue = 'binance' and symbol = $1 and start_time >= $2 and start_time < $3
    ) as b
    full join (
        select * from candle_1m
        where venue = 'kucoin' and symbol = $1 and start_time >= $2 and start_time < $3
    ) as k using (start_time)
    order by start_time
    on conflict (symbol, start_time) do update set
        binance_close = excluded.binance_close,
        binance_volume = excluded.binance_volume,
        binance_quote_volume = excluded.binance_quote_volume,
        binance_trade_count = excluded.binance_trade_count,
        binance_last_trade_time = excluded.binance_last_trade_time,
        binance_origin = excluded.binance_origin,
        binance_complete = excluded.binance_complete,
        kucoin_close = excluded.kucoin_close,
        kucoin_volume = excluded.kucoin_volume,
        kucoin_quote_volume = excluded.kucoin_quote_volume,
        kucoin_trade_count = excluded.kucoin_trade_count,
        kucoin_last_trade_time = excluded.kucoin_last_trade_time,
        kucoin_origin = excluded.kucoin_origin,
        kucoin_complete = excluded.kucoin_complete,
        version = greatest(fact.version, excluded.version);
    get diagnostics written = row_count;
    insert into hour_fact (venue, symbol, start_time, minutes_traded, minutes_repaired)
    select
        venue,
        $1,
        date_bin('1 hour', start_time, 'epoch'),
        count(*),
        count(*) filter (where origin = 'venue_candle')
    from candle_1m
    where symbol = $1
        and start_time >= date_bin('1 hour', $2, 'epoch')
        and start_time < date_bin('1 hour', $3 - interval '1 microsecond', 'epoch') + interval '1 hour'
    group by 1, 3
    on conflict (venue, symbol, start_time) do update set
        minutes_traded = excluded.minutes_traded,
        minutes_repaired = excluded.minutes_repaired;
    return written;
end
$$;

comment on function recompute_reconciliation is
'Sets the venues'' candles of a symbol from `from_time` to before `to_time` against each other anew, and returns how
many minutes there are. What the job writes of such a minute later still wins.';

create function forget_reconciliation(keep_days double precision) returns void
language sql set timezone to 'UTC' as $$
    delete from minute_fact
    where start_time < date_trunc('day', newest_trade_counted(), 'UTC') - make_interval(secs => $1 * 86400);
    delete from hour_fact
    where start_time < date_trunc('day', newest_trade_counted(), 'UTC') - make_interval(secs => $1 * 86400);
$$;

comment on function forget_reconciliation is
'Drops what is older, by the market''s clock, than so many days: as long as 1-minute candles are kept.';

revoke execute on function recompute_reconciliation, forget_reconciliation from public;
grant execute on function recompute_reconciliation to pricebraid_writer;
grant select, insert, update, delete on minute_fact, hour_fact to pricebraid_writer;
grant select on minute_fact, hour_fact to pricebraid_reader;
