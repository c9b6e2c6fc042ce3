-- Corrections go with the candles that they were of, and gaps with the last minutes that they touch.

create or replace function maintain_partitions(market_now timestamptz, keep jsonb) returns void
language plpgsql set timezone to 'UTC' as $$
declare
    newest timestamptz := newest_trade_counted();
    item record;
    starts timestamptz[];
    start_at timestamptz;
    kept interval;
    oldest timestamptz;
    child record;
begin
    perform pg_advisory_xact_lock(hashtext('maintain_partitions'));
    -- A reader of all intervals locks them in this order.
    for item in select "interval", span from candle_partitioning order by "interval" loop
        -- Around now, and for what lies in the default partition since nobody had made room for it.
        execute format(
            'select array(
                select partition_start(moment, $3) + step * $3
                from unnest(array[$1, coalesce($2, $1)]) as moment, generate_series(-1, 2) as step
                union
                select partition_start(start_time, $3) from %I
            )',
            'candle_' || item."interval" || '_default'
        ) using market_now, newest, item.span into starts;
        foreach start_at in array starts loop
            perform make_candle_partition(item."interval", start_at, start_at + item.span);
        end loop;
        continue when newest is null or not keep ? item."interval";
        kept := make_interval(secs => (keep ->> item."interval")::double precision * 86400);
        -- The partition that holds the oldest moment to be kept stays whole.
        oldest := partition_start(newest - kept, item.span);
        for child in
            select c.relname
            from pg_inherits as i
            inner join pg_class as c on i.inhrelid = c.oid
            where i.inhparent = to_regclass('candle_' || item."interval")
                and c.relname ~ '_[0-9]{8}$'
                and to_timestamp(right(c.relname, 8) || ' UTC', 'YYYYMMDD TZ') < oldest
        loop
            execute format('drop table %I', child.relname);
        end loop;
        delete from candle_revision where "interval" = item."interval" and start_time < oldest;
        if item."interval" = '1m' then
            -- What is open stays, however old: nobody has said yet what became of it.
            delete from gap where closed is not null and span << tstzrange(oldest, null);
        end if;
    end loop;
    if newest is not null and keep ? 'events' then
        kept := make_interval(secs => (keep ->> 'events')::double precision * 86400);
        delete from late_trade where event_time < newest - kept;
        -- Feed events bear this machine's clock, not the market's.
        delete from feed_event where event_time < clock_timestamp() - kept;
    end if;
end
$$;

comment on function maintain_partitions is
'Makes partitions around now and drops what is older, by the market''s clock, than `keep` says in days per interval:
candles with their corrections, and closed gaps like 1-minute candles; `events` for feed events and late trades.';

comment on function make_candle_partition is
'Makes the partition of an interval that begins at `start_at`, and moves into it what the default one holds of its
range.';
comment on function partition_start is 'When the partition of a span of time begins that holds the moment (UTC).';

-- What earlier migrations say in their text only.
comment on table ticker is 'What each venue last said of each symbol; a column is null until the venue has given it.';
comment on table feed_event is 'What happened to the feeds: connected, disconnected, a gap opened, a token renewed …';
comment on function ticker_guard is 'Refuses a row received earlier than the one that stands.';
comment on function trim_late_trade is 'Takes the trailing zeros off, which Flink''s numbers of fixed scale have.';
