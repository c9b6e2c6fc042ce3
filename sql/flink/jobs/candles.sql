-- Trades, gap marks and venue candles to candles of one second and one minute, live while they form. The minutes go to
-- a topic besides, from which everything coarser derives.
execute statement set
begin
    insert into candle_1s select * from second_candle;
    insert into candle_1m select * from minute_candle;
    insert into candles_1m select * from minute_candle;
end
