-- Goes with bench/sql/fill_reconciliation.sql: the candles that its minutes are of, seconds of the last quarter of an
-- hour, corrections, the venues' lists, what tickers say of a day, outages, late trades, and runs of verify.
insert into candle_1m (
    venue,
    symbol,
    start_time,
    open,
    high,
    low,
    close,
    base_volume,
    quote_volume,
    trade_count,
    complete,
    last_trade_time,
    known_time,
    generation,
    version
)
select
    side.venue,
    fact.symbol,
    fact.start_time,
    side.close,
    side.close * 1.001,
    side.close * 0.999,
    side.close,
    side.volume,
    side.quote_volume,
    9,
    not open_gap_touches(side.venue, fact.symbol, fact.start_time, fact.start_time + interval '1 minute'),
    fact.start_time + interval '58 seconds',
    fact.start_time + interval '58 seconds',
    1,
    1
from minute_fact as fact
cross join
    lateral (
        values
        ('binance', fact.binance_close, fact.binance_volume, fact.binance_quote_volume),
        ('kucoin', fact.kucoin_close, fact.kucoin_volume, fact.kucoin_quote_volume)
    ) as side (venue, close, volume, quote_volume)
where side.close is not null;

select recompute_candles(venue, symbol, min(start_time), max(start_time) + interval '1 minute')
from candle_1m
group by venue, symbol;

-- Every seventh second nothing is traded.
insert into candle_1s (
    venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, last_trade_time, generation, version
)
select
    ticker.venue,
    ticker.symbol,
    second,
    ticker.last_price,
    ticker.last_price * 1.0002,
    ticker.last_price,
    ticker.last_price * 1.0001,
    1,
    ticker.last_price,
    second,
    1,
    1
from ticker
cross join generate_series(
    date_trunc('second', now()) - interval '15 minutes', date_trunc('second', now()), interval '1 second'
) as second
where mod(extract(epoch from second)::bigint, 7) > 0
on conflict do nothing;

update candle_1m set
    close = close * 1.0005,
    version = version + 1,
    late_inputs = late_inputs + 1,
    known_time = start_time + interval '20 minutes'
where extract(minute from start_time) in (7, 37) and start_time > now() - interval '1 day';

update ticker set
    open_24h = last_price * case venue when 'binance' then 1.03 else 0.98 end,
    base_volume_24h = 1000,
    quote_volume_24h = last_price * 1000;

insert into instrument_list (venue, instruments, seen_time)
select
    venue,
    jsonb_agg(jsonb_build_object(
        'code', symbol, 'name', symbol, 'symbol', symbol, 'base', split_part(symbol, '-', 1), 'quote', 'USDT',
        'status', 'trading'
    ))::text,
    now()
from ticker
group by venue;

insert into feed_event (event_id, venue, kind, connection, detail, event_time)
select
    'event ' || number,
    case mod(number, 2) when 0 then 'binance' else 'kucoin' end,
    case mod(number, 3) when 0 then 'connected' else 'disconnected' end,
    'trades-0',
    '{"reason": "closed"}',
    now() - number * interval '4 minutes'
from generate_series(1, 200) as number;

insert into market_shown (kind, name, started_at) values ('simulated', 'seed 1, 20 symbols, 100 trades/s', now());

-- The newest run but two found something, and the one after it could not ask the broker.
insert into verification (
    scope,
    started_at,
    finished_at,
    from_time,
    to_time,
    candles,
    differences,
    doubled_trades,
    differing,
    venue_compared,
    venue_differences,
    error
)
select
    'recent',
    now() - number * interval '1 hour',
    now() - number * interval '1 hour' + interval '1 minute',
    now() - (number + 2) * interval '1 hour',
    now() - number * interval '1 hour',
    case number when 2 then null else 10000 end,
    case number when 3 then 1 else 0 end,
    0,
    case number when 3 then tstzrange(now() - interval '5 hours', now() - interval '4 hours') end,
    40,
    0,
    case number when 2 then 'The broker does not answer.' end
from generate_series(1, 24) as number;

insert into late_trade (
    venue, symbol, source_id, first_id, last_id, sequence, price, size, quote, side, event_time, receive_time
)
select
    case mod(number, 2) when 0 then 'binance' else 'kucoin' end,
    'T001-USDT',
    number::text,
    number,
    number,
    number,
    1,
    1,
    1,
    'buy',
    now() - interval '1 hour' - number * interval '10 minutes',
    now() - number * interval '10 minutes'
from generate_series(1, 100) as number;

analyze;
