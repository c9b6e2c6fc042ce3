-- Which pairs the venues list, and whether they trade. Ingest publishes each list whole whenever it reads it, and it is
-- stored as one row: what it lacks is delisted. So nobody has to remember an earlier list, and it makes no difference
-- how many read them, who was down meanwhile, and how often or in what order they are delivered: the latest counts.

create table instrument (
    venue text not null,
    code text not null,
    name text not null,
    symbol text not null,
    base text not null,
    quote text not null,
    status text not null check (status in ('trading', 'halted', 'delisted')),
    since timestamptz not null,
    seen_time timestamptz not null,
    primary key (venue, code)
);

comment on table instrument is
'The pairs that the venues list or have listed, each by the code that its venue gave it.';
comment on column instrument.code is
'The venue''s own name for requests; at KuCoin it stays when the pair is renamed.';
comment on column instrument.name is 'What the venue shows people; at Binance the code.';
comment on column instrument.symbol is
'The canonical symbol, base-quote: the same at both venues where both assets are.';
comment on column instrument.base is
'What is traded, by the name under which it is known across venues; quote is in what it is paid.';
comment on column instrument.status is
'trading; halted: listed but not traded; delisted: missing in the venue''s newest list.';
comment on column instrument.since is
'When it was first seen to be so: the reading of the venue''s list that told it, by this machine''s clock.';
comment on column instrument.seen_time is 'The newest reading of the venue''s list that had it.';

create index instrument_symbol on instrument (symbol);

create table instrument_list (
    venue text primary key,
    instruments text not null,
    seen_time timestamptz not null
);

comment on table instrument_list is
'The newest list of each venue as it was read: what the sink writes, and what instrument is made of.';
comment on column instrument_list.instruments is 'A JSON array of the pairs.';
comment on column instrument_list.seen_time is 'When it was read; an earlier one never replaces a later one.';

-- The sink is at-least-once, and a job that starts over reads old lists again.
create function instrument_list_guard() returns trigger language plpgsql as $$
begin
    if new.seen_time <= old.seen_time then
        return null;
    end if;
    return new;
end
$$;

comment on function instrument_list_guard is 'Refuses a list that was not read later than the one that stands.';

create trigger instrument_list_guard before update on instrument_list
for each row execute function instrument_list_guard();

-- With the owner's rights: the sink has none on what is made of its lists. Writers of one venue's list wait for each
-- other, since its row is locked.
create function store_instruments() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
    insert into instrument (venue, code, name, symbol, base, quote, status, since, seen_time)
    -- A code that came twice would fail, and be tried again for ever.
    select distinct on (item.code)
        new.venue,
        item.code,
        item.name,
        item.symbol,
        item.base,
        item.quote,
        item.status,
        new.seen_time,
        new.seen_time
    from jsonb_to_recordset(new.instruments::jsonb) as item (
        code text, name text, symbol text, base text, quote text, status text
    )
    -- What is not whole would stop the sink, and with it all that is told of the feeds.
    where (item.code, item.name, item.symbol, item.base, item.quote) is not null
        and item.status in ('trading', 'halted')
    on conflict (venue, code) do update set
        name = excluded.name,
        symbol = excluded.symbol,
        base = excluded.base,
        quote = excluded.quote,
        status = excluded.status,
        since = case when instrument.status = excluded.status then instrument.since else excluded.since end,
        seen_time = excluded.seen_time;
    update instrument set status = 'delisted', since = new.seen_time
    where instrument.venue = new.venue
        and instrument.status <> 'delisted'
        and instrument.seen_time < new.seen_time;
    return null;
end
$$;

comment on function store_instruments is
'Takes a venue''s new list into instrument: what it has, and that what it lacks is delisted.';

create trigger store_instruments after insert or update on instrument_list
for each row execute function store_instruments();

revoke execute on function store_instruments from public;
grant select, insert, update on instrument_list to pricebraid_writer;
grant select on instrument to pricebraid_writer;
grant select on instrument, instrument_list to pricebraid_reader;
