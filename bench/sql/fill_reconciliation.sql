-- Days of made-up minutes of many symbols at both venues, up to now, as the job would have written them. Of ten symbols
-- one is silent at KuCoin in every tenth minute, one is hardly traded at all, and one is always 30 basis points apart.
-- The values are `days` and `symbols`. The trigger is off: the rows are as it leaves them. They lie as if they had come
-- by time, all symbols of a minute side by side: a symbol's minutes are then as far apart as they are in a stack.
set local work_mem = '256MB';
alter table minute_fact disable trigger user;

insert into minute_fact (
    symbol,
    start_time,
    binance_close,
    binance_volume,
    binance_quote_volume,
    binance_trade_count,
    binance_last_trade_time,
    binance_origin,
    binance_complete,
    kucoin_close,
    kucoin_volume,
    kucoin_quote_volume,
    kucoin_trade_count,
    kucoin_last_trade_time,
    kucoin_origin,
    kucoin_complete,
    version
)
select
    'T' || lpad(number::text, 3, '0') || '-USDT',
    minute,
    case when not idle then price end,
    case when not idle then volume end,
    case when not idle then price * volume end,
    case when not idle then 20 end,
    case when not idle then minute + interval '59 seconds' end,
    case when not idle then 'trades' end,
    case when not idle then true end,
    case when not silent then round(price * (1 + apart / 10000), 6) end,
    case when not silent then volume end,
    case when not silent then round(price * (1 + apart / 10000), 6) * volume end,
    case when not silent then 9 end,
    case when not silent then minute + interval '58 seconds' end,
    case when not silent then 'trades' end,
    case when not silent then true end,
    case when idle and silent then 0 else 1 end
from (
    select
        minute,
        round((number * 1.37 + random())::numeric, 6) as price,
        round((1 + 100 * random())::numeric, 4) as volume,
        case
            when mod(number, 10) = 7 then 30
            else (random() - random() + random() - random())::numeric * (mod(number, 20) + 1)
        end as apart,
        mod(number, 10) = 0 and random() < 0.1 or mod(number, 10) = 5 and random() < 0.6 as silent,
        mod(number, 10) = 5 and random() < 0.6 as idle,
        number
    from (
        select
            minute,
            number
        from generate_series(
            date_trunc('minute', now()) - make_interval(days => %(days)s),
            date_trunc('minute', now()),
            interval '1 minute'
        ) as minute
        cross join generate_series(1, %(symbols)s) as number
        order by minute
    ) as made
) as chosen;

alter table minute_fact enable trigger user;

insert into hour_fact (venue, symbol, start_time, minutes_traded, minutes_repaired)
select
    venue,
    'T' || lpad(number::text, 3, '0') || '-USDT',
    hour,
    60 - mod(number + extract(hour from hour)::int, 3),
    mod(number, 2)
from generate_series(
    date_trunc('hour', now()) - make_interval(days => %(days)s), date_trunc('hour', now()), interval '1 hour'
) as hour
cross join generate_series(1, %(symbols)s) as number
cross join unnest(array['binance', 'kucoin']) as venue;

insert into ticker (venue, symbol, last_price, bid_price, ask_price, event_time, receive_time)
select
    venue,
    'T' || lpad(number::text, 3, '0') || '-USDT',
    number + random(),
    number,
    number + 1,
    now(),
    now()
from generate_series(1, %(symbols)s) as number
cross join unnest(array['binance', 'kucoin']) as venue;

insert into gap (gap_id, venue, symbol, kind, reason, from_time, to_time, opened, closed, how, version)
select
    'gap ' || number,
    'kucoin',
    'T' || lpad((mod(number, %(symbols)s) + 1)::text, 3, '0') || '-USDT',
    'suspected',
    'disconnected',
    now() - number * interval '7 minutes',
    now() - number * interval '7 minutes' + interval '10 seconds',
    now(),
    case when mod(number, 100) > 0 then now() end,
    case when mod(number, 100) > 0 then 'confirmed' end,
    1
from generate_series(1, 5000) as number;

insert into candle_1s (
    venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, generation, version, last_trade_time
)
values ('binance', 'T001-USDT', date_trunc('second', now()), 1, 1, 1, 1, 1, 1, 1, 1, now());
