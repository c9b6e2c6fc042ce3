select count(*) from candle
where "interval" = %(interval)s and start_time < %(from_time)s
