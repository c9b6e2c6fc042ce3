-- What happened to the feeds, what was missed, what came too late, and what the venues list, to where people can ask
-- for it.
execute statement set
begin
    insert into feed_event select * from timed_feed_event;
    insert into gap select * from timed_gap;
    insert into late_trade select * from timed_late_trade;
    insert into instrument_list select * from timed_instrument_list;
end
