select max(event_time) from trade
where receive_time <= $until
