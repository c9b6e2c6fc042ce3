-- What happened to the feeds, and the trades that came too late to be counted from the stream.

create table feed_event (
    event_id text primary key,
    venue text not null,
    kind text not null,
    connection text,
    symbol text,
    detail text,
    event_time timestamptz not null
);

comment on column feed_event.event_time is 'When it happened, by the clock of the machine that saw it.';

create index feed_event_event_time on feed_event (event_time);

create table late_trade (
    venue text not null,
    symbol text not null,
    source_id text not null,
    first_id bigint not null,
    last_id bigint not null,
    sequence bigint not null,
    price numeric not null,
    size numeric not null,
    quote numeric not null,
    side text not null,
    event_time timestamptz not null,
    receive_time timestamptz not null,
    primary key (venue, symbol, source_id)
);

comment on table late_trade is
'Streamed trades older than their symbol''s newest by more than the lateness allowed: kept here, not in a candle.';

create index late_trade_event_time on late_trade (event_time);

create function trim_late_trade() returns trigger language plpgsql as $$
begin
    new.price := trim_scale(new.price);
    new.size := trim_scale(new.size);
    new.quote := trim_scale(new.quote);
    return new;
end
$$;

create trigger trim_late_trade before insert or update on late_trade
for each row execute function trim_late_trade();

grant select, insert, update on feed_event, late_trade to pricebraid_writer;
grant select on feed_event, late_trade to pricebraid_reader;
