-- What was read of the topics, and of Postgres. Times are microseconds since the epoch, UTC.
create table trade (
    venue varchar not null,
    symbol varchar not null,
    first_id bigint not null,
    last_id bigint not null,
    sequence bigint not null,
    price decimal(38, 18) not null,
    size decimal(38, 18) not null,
    quote decimal(38, 18) not null,
    bought boolean not null,
    event_time bigint not null,
    receive_time bigint not null,
    -- The market's time at which the trade was known: later than the match where it came behind newer ones.
    known_time bigint not null
);

create table gap_mark (
    venue varchar not null,
    symbol varchar not null,
    seconds bigint not null,
    start_time bigint not null,
    change bigint not null,
    known_time bigint not null
);

create table venue_candle (
    venue varchar not null,
    symbol varchar not null,
    start_time bigint not null,
    open decimal(38, 18) not null,
    high decimal(38, 18) not null,
    low decimal(38, 18) not null,
    close decimal(38, 18) not null,
    base_volume decimal(38, 18) not null,
    quote_volume decimal(38, 18) not null,
    taker_buy_base_volume decimal(38, 18),
    trade_count bigint,
    first_id bigint,
    last_id bigint,
    supersedes boolean not null,
    known_time bigint not null,
    fetched_time bigint not null
);

-- The candles of Postgres, as text: they are compared to the last digit, however many there are.
create table found (
    venue varchar not null,
    symbol varchar not null,
    "interval" varchar not null,
    start_time bigint not null,
    open varchar,
    high varchar,
    low varchar,
    close varchar,
    base_volume varchar,
    quote_volume varchar,
    taker_buy_base_volume varchar,
    trade_count varchar,
    first_id varchar,
    last_id varchar,
    origin varchar,
    complete varchar,
    last_trade_time varchar,
    known_time varchar
);

-- The candles that differed at the last look, and what was found of each.
create table earlier as
select
    venue,
    symbol,
    "interval",
    start_time,
    found as found_row,
    false as moved
from found;

-- The intervals: their length, and the first start that can be judged.
create table reach (
    "interval" varchar not null,
    length bigint not null,
    from_time bigint not null
);

-- A number without trailing zeros, as Postgres holds it. The text of a decimal always has a point.
create macro plain(number) as rtrim(rtrim(cast(number as varchar), '0'), '.');
