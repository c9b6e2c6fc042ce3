-- Partitions are made before rows need them, and dropped whole when they are older than is kept.

create table candle_partitioning (
    "interval" text primary key,
    span interval not null
);

comment on table candle_partitioning is 'How much time one partition of each candle interval holds.';

insert into candle_partitioning values
('1s', '1 day'), ('1m', '1 month'), ('5m', '1 month'), ('15m', '1 year'), ('1h', '1 year'), ('4h', '1 year'),
('1d', '10 years');

grant select on candle_partitioning to pricebraid_reader;

create function partition_start(moment timestamptz, span interval) returns timestamptz
language sql immutable as $$
    select case span
        when interval '1 day' then date_trunc('day', moment, 'UTC')
        when interval '1 month' then date_trunc('month', moment, 'UTC')
        when interval '1 year' then date_trunc('year', moment, 'UTC')
        else date_trunc('decade', moment, 'UTC')
    end
$$;

-- Makes the partition that begins at `start_at`, and moves into it what the default partition holds of its range.
create function make_candle_partition(candle_interval text, start_at timestamptz, end_at timestamptz) returns void
language plpgsql set timezone to 'UTC' as $$
declare
    parent text := 'candle_' || candle_interval;
    child text := parent || '_' || to_char(start_at at time zone 'UTC', 'YYYYMMDD');
begin
    if to_regclass(child) is not null then
        return;
    end if;
    -- Writers wait for the moment that this takes; without the lock a row could reach the default meanwhile.
    execute format('lock table %I in access exclusive mode', parent || '_default');
    -- A forming candle is rewritten many times a minute: with room in its page, that touches no index.
    execute format(
        'create table %I (like %I including defaults including constraints) with (fillfactor = 70)', child, parent
    );
    execute format(
        'with moved as (delete from %I where start_time >= %L and start_time < %L returning *)
         insert into %I select * from moved',
        parent || '_default', start_at, end_at, child
    );
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, child, start_at, end_at);
end
$$;

create function maintain_partitions(market_now timestamptz, keep jsonb) returns void
language plpgsql set timezone to 'UTC' as $$
declare
    newest timestamptz := newest_trade_counted();
    item record;
    moment timestamptz;
    step integer;
    kept interval;
    child record;
begin
    perform pg_advisory_xact_lock(hashtext('maintain_partitions'));
    for item in select "interval", span from candle_partitioning loop
        foreach moment in array array[market_now, coalesce(newest, market_now)] loop
            for step in -1..2 loop
                perform make_candle_partition(
                    item."interval",
                    partition_start(moment, item.span) + step * item.span,
                    partition_start(moment, item.span) + (step + 1) * item.span
                );
            end loop;
        end loop;
        continue when newest is null or not keep ? item."interval";
        kept := make_interval(secs => (keep ->> item."interval")::double precision * 86400);
        for child in
            select c.relname
            from pg_inherits as i
            inner join pg_class as c on i.inhrelid = c.oid
            where i.inhparent = to_regclass('candle_' || item."interval")
                and c.relname ~ '_[0-9]{8}$'
                and to_timestamp(right(c.relname, 8) || ' UTC', 'YYYYMMDD TZ') + item.span <= newest - kept
        loop
            execute format('drop table %I', child.relname);
        end loop;
        execute format('delete from %I where start_time < %L', 'candle_' || item."interval" || '_default', newest - kept);
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
'Makes partitions around now and drops what is older, by the market''s clock, than `keep` says in days per interval.';
