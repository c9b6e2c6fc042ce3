-- One venue's minutes beside the other's, and how many there were: a correction of a candle corrects both.
execute statement set
begin
    insert into minute_fact select * from compared_minute;
    insert into hour_fact select * from counted_hour;
end
