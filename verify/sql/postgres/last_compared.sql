select max(started_at) from verification
where candles is not null
