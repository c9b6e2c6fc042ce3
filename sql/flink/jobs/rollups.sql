-- Minutes to everything coarser: a correction of one minute reaches its hour and its day.
execute statement set
begin
    insert into candle_5m select * from rolled_candle_5m;
    insert into candle_15m select * from rolled_candle_15m;
    insert into candle_1h select * from rolled_candle_1h;
    insert into candle_4h select * from rolled_candle_4h;
    insert into candle_1d select * from rolled_candle_1d;
end
