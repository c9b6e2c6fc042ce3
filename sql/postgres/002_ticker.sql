-- What each venue last said of each symbol. A column is null until the venue has given it.

create table ticker (
    venue text not null,
    symbol text not null,
    last_price numeric,
    last_size numeric,
    bid_price numeric,
    bid_size numeric,
    ask_price numeric,
    ask_size numeric,
    open_24h numeric,
    high_24h numeric,
    low_24h numeric,
    base_volume_24h numeric,
    quote_volume_24h numeric,
    event_time timestamptz not null,
    receive_time timestamptz not null,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (venue, symbol)
) with (fillfactor = 50);

comment on column ticker.event_time is 'The venue''s time where its message has one, else the time of receipt.';
comment on column ticker.receive_time is
'When the message was received here; an earlier one never replaces a later one.';

create function ticker_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.receive_time < old.receive_time then
        return null;
    end if;
    new.last_price := trim_scale(new.last_price);
    new.last_size := trim_scale(new.last_size);
    new.bid_price := trim_scale(new.bid_price);
    new.bid_size := trim_scale(new.bid_size);
    new.ask_price := trim_scale(new.ask_price);
    new.ask_size := trim_scale(new.ask_size);
    new.open_24h := trim_scale(new.open_24h);
    new.high_24h := trim_scale(new.high_24h);
    new.low_24h := trim_scale(new.low_24h);
    new.base_volume_24h := trim_scale(new.base_volume_24h);
    new.quote_volume_24h := trim_scale(new.quote_volume_24h);
    new.updated_at := clock_timestamp();
    return new;
end
$$;

create trigger ticker_guard before insert or update on ticker for each row execute function ticker_guard();

grant select, insert, update on ticker to pricebraid_writer;
grant select on ticker to pricebraid_reader;
