insert into market_shown (kind, name, started_at) values (%(kind)s, %(name)s, clock_timestamp())
on conflict ((true)) do update set kind = excluded.kind, name = excluded.name, started_at = excluded.started_at
