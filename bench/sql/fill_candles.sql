-- Goes with fill_reconciliation.sql, whose minutes these are the candles of: minutes, what is coarser, and seconds of the
-- last hours, in partitions as maintenance makes them; corrections, outages, late trades, runs of verify, and lists and
-- tickers of ten times as many symbols, as the whole market has. The values are `days`, `symbols` and `hours` (of
-- seconds). Rows lie as if they had come by time, like those. The trigger is off at first: they are as it leaves them.
set local work_mem = '256MB';
select maintain_partitions(now(), '{}');
select make_partitions_for('1s', now() - make_interval(hours => %(hours)s), now());
select make_partitions_for("interval", now() - make_interval(days => %(days)s), now())
from candle_partitioning
where "interval" <> '1s';

alter table candle disable trigger user;

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
    round(side.close * 1.001, 6),
    round(side.close * 0.999, 6),
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

-- Each of the next finer ones, and nearly what it would be: first and last price are not looked for.
do $$
declare
    item record;
begin
    for item in
        select "interval", lag("interval") over (order by candle_span("interval")) as finer
        from candle_partitioning
        order by candle_span("interval")
        offset 2
    loop
        insert into candle (
            venue, symbol, "interval", start_time, open, high, low, close, base_volume, quote_volume, trade_count,
            complete, last_trade_time, known_time, generation, version
        )
        select
            venue, symbol, item."interval", date_bin(candle_span(item."interval"), start_time, 'epoch') as bucket,
            min(open), max(high), min(low), max(close), sum(base_volume), sum(quote_volume), sum(trade_count),
            bool_and(complete), max(last_trade_time), max(known_time), 1, count(*)
        from candle
        where "interval" = item.finer
        group by venue, symbol, bucket
        order by bucket;
    end loop;
end
$$;

-- Every seventh second nothing is traded.
insert into candle_1s (
    venue, symbol, start_time, open, high, low, close, base_volume, quote_volume, last_trade_time, generation, version
)
select
    venue,
    symbol,
    second,
    price,
    round(price * 1.0002, 6),
    price,
    round(price * 1.0001, 6),
    1,
    price,
    second,
    1,
    1
from ticker
cross join lateral round(last_price, 6) as price
cross join generate_series(
    date_trunc('second', now()) - make_interval(hours => %(hours)s), date_trunc('second', now()), interval '1 second'
) as second
where mod(extract(epoch from second)::bigint, 7) > 0
order by second
on conflict do nothing;

alter table candle enable trigger user;

update candle_1m set
    close = close * 1.0005,
    version = version + 1,
    late_inputs = late_inputs + 1,
    known_time = start_time + interval '20 minutes'
where extract(minute from start_time) in (7, 37) and start_time > now() - interval '1 day';

insert into ticker (venue, symbol, last_price, bid_price, ask_price, event_time, receive_time)
select
    venue,
    'M' || number || '-USDT',
    number + random(),
    number,
    number + random(),
    now(),
    now()
from generate_series(%(symbols)s + 1, 10 * %(symbols)s) as number
cross join unnest(array['binance', 'kucoin']) as venue;

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
from generate_series(1, 360 * %(days)s) as number;

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
