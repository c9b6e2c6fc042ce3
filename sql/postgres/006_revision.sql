-- What is known of a candle changes: live while it forms, and by corrections after it has closed. The corrections are
-- counted and what they replaced is kept, so that anybody can ask what was known at a time.

alter table candle
add column known_time timestamptz,
add column late_inputs bigint not null default 0,
add column known_from timestamptz;

comment on column candle.complete is
'False while an open gap touches the candle; null in rows from before gaps were judged.';
comment on column candle.revision is 'How many times the candle was corrected after it had closed.';
comment on column candle.version is 'How many records the row is made of; a row made of fewer never replaces it.';
comment on column candle.known_time is
'The market''s time when the newest of the records that the row is made of was known.';
comment on column candle.late_inputs is
'How many of the records that the row is made of were known a second or more after the close.';
comment on column candle.known_from is
'The market''s time since which these values were known, where they were first known, or corrected, after the close.';
comment on column candle.origin is 'trades, or venue_candle: the venue''s own candle, where trades could not be had.';
comment on column candle.taker_buy_base_volume is
'What takers bought of base_volume; null where the venue does not tell.';
comment on column candle.trade_count is
'The venue''s own trades, an aggregate counting its range; null where the venue''s candle does not tell.';
comment on column candle.updated_at is 'When the row was last written, by this machine''s clock.';

-- The coarser candles are written by their own job, to the partition of their interval like the others.
alter table candle_5m alter column "interval" set default '5m';
alter table candle_15m alter column "interval" set default '15m';
alter table candle_1h alter column "interval" set default '1h';
alter table candle_4h alter column "interval" set default '4h';
alter table candle_1d alter column "interval" set default '1d';
create unique index candle_5m_key on candle_5m (venue, symbol, start_time);
create unique index candle_15m_key on candle_15m (venue, symbol, start_time);
create unique index candle_1h_key on candle_1h (venue, symbol, start_time);
create unique index candle_4h_key on candle_4h (venue, symbol, start_time);
create unique index candle_1d_key on candle_1d (venue, symbol, start_time);
grant select, insert, update, delete on candle_5m, candle_15m, candle_1h, candle_4h, candle_1d to pricebraid_writer;

create table candle_revision (
    like candle,
    known_until timestamptz not null,
    primary key (venue, symbol, "interval", start_time, revision)
);

alter table candle_revision alter column known_from set not null;

comment on table candle_revision is
'Values of closed candles that were corrected since: what was known from known_from until before known_until.';
comment on column candle_revision.revision is 'The revision that these values were; 0 is how the candle closed.';
comment on column candle_revision.known_from is
'The market''s time since which they were known: the candle''s end, or later where they came later.';
comment on column candle_revision.known_until is 'The market''s time when they were corrected.';

-- Retention goes by interval and time.
create index candle_revision_start_time on candle_revision ("interval", start_time);

grant insert on candle_revision to pricebraid_writer;
grant select on candle_revision to pricebraid_reader;

create function candle_span("interval" text) returns interval language sql immutable parallel safe as $$
    select case $1
        when '1s' then interval '1 second'
        when '1m' then interval '1 minute'
        when '5m' then interval '5 minutes'
        when '15m' then interval '15 minutes'
        when '1h' then interval '1 hour'
        when '4h' then interval '4 hours'
        -- Not a day, which is a matter of the session's time zone.
        when '1d' then interval '24 hours'
    end
$$;

comment on function candle_span is 'Length of a candle of the interval `1s` to `1d`; null for any other.';

-- Runs for every candle written, thousands a second: what only some rows need is computed only for them.
create or replace function candle_guard() returns trigger language plpgsql as $$
declare
    -- What is learned within a second of the close belongs to the candle as it closed.
    corrects boolean := new.known_time >= new.start_time + candle_span(new."interval") + interval '1 second';
begin
    if tg_op = 'DELETE' then
        -- A sink's delete is half of an update that it could not write in one piece; nothing else of it deletes.
        if current_user = 'pricebraid_writer' then
            return null;
        end if;
        return old;
    end if;
    if tg_op = 'UPDATE' then
        -- A job that catches up may read a correction before what it corrects: only one more late record corrects.
        -- Our own functions write at one time all that they know.
        corrects := corrects and (new.late_inputs > old.late_inputs or current_user <> 'pricebraid_writer');
        -- The same version again is a sink that repeats itself, or our own function that corrects what stands.
        if new.generation = old.generation then
            if new.version < old.version or (new.version = old.version and current_user = 'pricebraid_writer') then
                return null;
            end if;
        -- A later start builds every candle anew from its first trade. A corrected one stands until the correction is
        -- in the new one as well, or it would be taken back and counted again.
        elsif new.generation < old.generation
            or (
                new.known_time < old.known_time
                and old.known_time >= old.start_time + candle_span(old."interval") + interval '1 second'
            ) then
            return null;
        end if;
    end if;
    new.open := trim_scale(new.open);
    new.high := trim_scale(new.high);
    new.low := trim_scale(new.low);
    new.close := trim_scale(new.close);
    new.base_volume := trim_scale(new.base_volume);
    new.quote_volume := trim_scale(new.quote_volume);
    new.taker_buy_base_volume := trim_scale(new.taker_buy_base_volume);
    new.updated_at := clock_timestamp();
    if tg_op = 'INSERT' then
        new.revision := 0;
        new.known_from := case when corrects then new.known_time end;
        return new;
    end if;
    new.revision := old.revision;
    new.known_from := old.known_from;
    if corrects and (
        new.open, new.high, new.low, new.close, new.base_volume, new.quote_volume, new.taker_buy_base_volume,
        new.trade_count, new.first_id, new.last_id, new.origin, new.complete, new.last_trade_time
    ) is distinct from (
        old.open, old.high, old.low, old.close, old.base_volume, old.quote_volume, old.taker_buy_base_volume,
        old.trade_count, old.first_id, old.last_id, old.origin, old.complete, old.last_trade_time
    ) then
        new.revision := old.revision + 1;
        new.known_from := greatest(new.known_time, old.known_from);
        old.known_from := coalesce(old.known_from, old.start_time + candle_span(old."interval"));
        -- Where a candle was dropped and fetched again, the older history of the same number stays.
        insert into candle_revision select old.*, new.known_from on conflict do nothing;
    end if;
    return new;
end
$$;

comment on function candle_guard is
'Refuses older rows and the sink''s deletes, counts corrections and keeps what they replaced.';

create function candle_as_of("time" timestamptz) returns setof candle language sql stable as $$
    select candle.*
    from candle
    where start_time < $1
        and start_time + candle_span("interval") <= $1
        and (known_from is null or known_from <= $1)
    union all
    select
        venue, symbol, "interval", start_time, open, high, low, close, base_volume, quote_volume, taker_buy_base_volume,
        trade_count, first_id, last_id, origin, complete, revision, updated_at, last_trade_time, generation, version,
        known_time, late_inputs, known_from
    from candle_revision
    where start_time < $1 and known_from <= $1 and known_until > $1
$$;

comment on function candle_as_of is
'The candles that had closed by `time`, a time of the market''s clock, with the values that were known then. Say which
you want: `select * from candle_as_of(t) where venue = … and symbol = … and "interval" = … and start_time >= …`.';

create function vwap(of_candle candle) returns numeric language sql immutable parallel safe as $$
    select of_candle.quote_volume / nullif(of_candle.base_volume, 0)
$$;

comment on function vwap is
'Volume-weighted average price in quote per base, `select c.vwap from candle c`; null where nothing was traded.';
