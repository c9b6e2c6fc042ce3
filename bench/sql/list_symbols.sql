-- Both venues list the made-up symbols, and twenty times as many.
insert into instrument_list (venue, instruments, seen_time)
select
    venue,
    jsonb_agg(
        jsonb_build_object(
            'code', name, 'name', name, 'symbol', name, 'base', split_part(name, '-', 1), 'quote', 'USDT',
            'status', 'trading'
        )
    )::text,
    now() - make_interval(days => %(days)s)
from generate_series(1, 20 * %(symbols)s) as number
cross join lateral (select 'T' || lpad(number::text, 3, '0') || '-USDT' as name) as named
cross join unnest(array['binance', 'kucoin']) as venue
group by venue;
