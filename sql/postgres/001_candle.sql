-- Candles of all intervals. Times are UTC; prices are quote per base; volumes are in base or quote units.
-- Partitioned by interval, then by time, so that retention drops whole tables.

create table candle (
    venue text not null,
    symbol text not null,
    "interval" text not null check ("interval" in ('1s', '1m', '5m', '15m', '1h', '4h', '1d')),
    start_time timestamptz not null,
    open numeric not null,
    high numeric not null,
    low numeric not null,
    close numeric not null,
    base_volume numeric not null,
    quote_volume numeric not null,
    taker_buy_base_volume numeric,
    trade_count bigint,
    first_id bigint,
    last_id bigint,
    origin text not null default 'trades' check (origin in ('trades', 'venue_candle')),
    complete boolean,
    revision integer not null default 0,
    updated_at timestamptz not null default clock_timestamp(),
    last_trade_time timestamptz,
    generation integer not null,
    version bigint not null,
    primary key (venue, symbol, "interval", start_time)
) partition by list ("interval");

comment on table candle is
'Candles: buckets [start_time, start_time + interval), aligned to UTC, on the venue''s match time.';
comment on column candle.complete is
'False while a gap touches the candle; null while gaps are not judged.';
comment on column candle.revision is
'How many times the candle was corrected after it had closed; 0 while corrections are not counted.';
comment on column candle.last_trade_time is 'Match time of the newest trade that is counted.';
comment on column candle.generation is
'Which start from the topics wrote the row; a later one replaces an earlier one.';
comment on column candle.version is 'How many records the row is made of; a row made of fewer never replaces it.';

create table candle_1s partition of candle for values in ('1s') partition by range (start_time);
create table candle_1m partition of candle for values in ('1m') partition by range (start_time);
create table candle_5m partition of candle for values in ('5m') partition by range (start_time);
create table candle_15m partition of candle for values in ('15m') partition by range (start_time);
create table candle_1h partition of candle for values in ('1h') partition by range (start_time);
create table candle_4h partition of candle for values in ('4h') partition by range (start_time);
create table candle_1d partition of candle for values in ('1d') partition by range (start_time);

create table candle_1s_default partition of candle_1s default;
create table candle_1m_default partition of candle_1m default;
create table candle_5m_default partition of candle_5m default;
create table candle_15m_default partition of candle_15m default;
create table candle_1h_default partition of candle_1h default;
create table candle_4h_default partition of candle_4h default;
create table candle_1d_default partition of candle_1d default;

-- The jobs write to the partition of their interval, which fills the interval in: see sql/flink/tables/candle_1s.sql.
alter table candle_1s alter column "interval" set default '1s';
alter table candle_1m alter column "interval" set default '1m';
create unique index candle_1s_key on candle_1s (venue, symbol, start_time);
create unique index candle_1m_key on candle_1m (venue, symbol, start_time);

-- The newest second is what freshness is judged by, and what maintenance takes for the market's now.
create index candle_1s_start_time on candle_1s (start_time);

-- The sink is at-least-once: after a restart it writes again what it had written, and an attempt that was thought dead
-- may still write. Both would put older values over newer ones, so the row with more inputs wins here.
create function candle_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        -- A sink's delete is half of an update that it could not write in one piece; nothing else of it deletes.
        if current_user = 'pricebraid_writer' then
            return null;
        end if;
        return old;
    end if;
    if tg_op = 'UPDATE' and (new.generation, new.version) <= (old.generation, old.version) then
        return null;
    end if;
    new.open := trim_scale(new.open);
    new.high := trim_scale(new.high);
    new.low := trim_scale(new.low);
    new.close := trim_scale(new.close);
    new.base_volume := trim_scale(new.base_volume);
    new.quote_volume := trim_scale(new.quote_volume);
    new.taker_buy_base_volume := trim_scale(new.taker_buy_base_volume);
    new.updated_at := clock_timestamp();
    return new;
end
$$;

create trigger candle_guard before insert or update or delete on candle
for each row execute function candle_guard();

grant select, insert, update, delete on candle, candle_1s, candle_1m to pricebraid_writer;
grant select on candle, candle_1s, candle_1m, candle_5m, candle_15m, candle_1h, candle_4h, candle_1d
to pricebraid_reader;
alter default privileges in schema public grant select on tables to pricebraid_reader;

create function newest_trade_counted() returns timestamptz language sql stable as $$
    select max(last_trade_time) from candle_1s where start_time = (select max(start_time) from candle_1s)
$$;

comment on function newest_trade_counted is
'Match time of the newest trade that a candle counts: the market''s now, as far as this database knows it.';
