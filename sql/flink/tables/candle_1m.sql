-- The 1-minute candles in Postgres: the columns of the 1-second ones, in the partition of their own interval.
-- (The linter does not know `like`.)
create table candle_1m -- noqa: PRS
with (
    'table-name' = 'candle_1m'
) like candle_1s (
    overwriting options
)
