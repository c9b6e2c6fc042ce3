delete from verification
where finished_at < clock_timestamp() - make_interval(secs => %(keep_days)s * 86400)
