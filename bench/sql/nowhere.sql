-- Takes what candles are made of, and does nothing with it.
create table nowhere -- noqa: PRS
with (
    'connector' = 'blackhole'
) like candle_inputs (
    excluding options
)
