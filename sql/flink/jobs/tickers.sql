-- The latest of every symbol. The sink keeps the newest row of a symbol between two flushes, so no state is needed.
execute statement set
begin
    insert into ticker select * from latest_ticker;
end
