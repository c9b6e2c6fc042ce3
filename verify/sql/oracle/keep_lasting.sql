-- A candle that differed at one look and not at the other was only on its way.
delete from difference
where (venue, symbol, "interval", start_time) not in (select (venue, symbol, "interval", start_time) from earlier)
