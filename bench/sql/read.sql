-- Takes all that candles are made of, numbers as numbers, and does nothing with it.
create table nowhere -- noqa: PRS
with (
    'connector' = 'blackhole'
)
as select * from candle_input
