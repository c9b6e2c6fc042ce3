insert into verification (
    scope, started_at, finished_at, from_time, to_time, candles, differences, doubled_trades, differing,
    venue_compared, venue_differences, examples, error
)
values (
    %(scope)s, %(started_at)s, clock_timestamp(), %(from_time)s, %(to_time)s, %(candles)s, %(differences)s,
    %(doubled_trades)s, %(differing)s, %(venue_compared)s, %(venue_differences)s,
    %(examples)s, %(error)s
)
