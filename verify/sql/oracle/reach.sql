insert into reach values ($interval, $length, $from_time)
