-- Where trades were missed, or may have been: what candles can't be trusted on, and by what that was mended.

create table gap (
    gap_id text primary key,
    venue text not null,
    symbol text not null,
    kind text not null check (kind in ('missed', 'suspected')),
    reason text not null,
    first_id bigint,
    last_id bigint,
    from_time timestamptz not null,
    to_time timestamptz,
    opened timestamptz not null,
    closed timestamptz,
    how text,
    version integer not null,
    -- A gap may close while its end is still unknown: then nothing but its beginning is known of it.
    span tstzrange not null generated always as (
        tstzrange(from_time, case when closed is null then to_time else coalesce(to_time, from_time) end, '[]')
    ) stored
);

comment on table gap is
'Ranges of one symbol''s trades at one venue that were missed, or may have been; a gap never reopens.';
comment on column gap.gap_id is 'Made of venue, symbol and where the gap begins: the same gap always has the same.';
comment on column gap.kind is 'missed: the venue''s ids prove it; suspected: nothing was received for a while.';
comment on column gap.reason is
'How it came to light: ids, disconnected, start, dropped, candle_mismatch.';
comment on column gap.first_id is 'The first of the missing ids, where the venue''s ids are consecutive.';
comment on column gap.last_id is 'The last of them; null where it is not known.';
comment on column gap.from_time is 'Match time of the last trade before it.';
comment on column gap.to_time is 'Match time of the first trade after it; null while the feed is down.';
comment on column gap.opened is 'When it was found, by the clock of the machine that found it.';
comment on column gap.closed is 'When it was closed, by that clock; null while it is open.';
comment on column gap.how is
'By what it was closed: stream, repair (the trades came), venue_candle (the venue''s own candles stand in for them),
confirmed (the venue''s candles equal ours), nothing_missed, not_at_venue (the venue does not have them either).';
comment on column gap.version is 'How many times it has changed; an older state never replaces a newer one.';
comment on column gap.span is
'What it touches on the market''s clock, both ends included; without end while the feed is down.';

-- A symbol's gaps are asked for with its idle candles; which are open, by every look at the market's health.
create index gap_symbol on gap (venue, symbol, from_time);
create index gap_open on gap (venue, symbol) where closed is null;

-- The sink is at-least-once, as that of the candles.
create function gap_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if current_user = 'pricebraid_writer' then
            return null;
        end if;
        return old;
    end if;
    if tg_op = 'UPDATE' and new.version <= old.version then
        return null;
    end if;
    return new;
end
$$;

comment on function gap_guard is 'Refuses older states of a gap, and the sink''s deletes.';

create trigger gap_guard before insert or update or delete on gap for each row execute function gap_guard();

create function open_gap_touches(of_venue text, of_symbol text, from_time timestamptz, to_time timestamptz)
returns boolean language sql stable as $$
    select exists (
        select from gap
        where gap.venue = of_venue
            and gap.symbol = of_symbol
            and gap.closed is null
            and gap.span && tstzrange($3, $4)
    )
$$;

comment on function open_gap_touches is
'Tells whether an open gap of the symbol touches the times from `from_time` to before `to_time`.';

grant select, insert, update, delete on gap to pricebraid_writer;
grant select on gap to pricebraid_reader;
