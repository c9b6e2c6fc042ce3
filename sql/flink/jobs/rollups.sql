-- Minutes to everything coarser: a correction of one minute reaches its hour and its day.
execute statement set
begin
    insert into candle select * from rolled_candle;
    insert into rollups select * from rolled_candle;
end
