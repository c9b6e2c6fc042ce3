select max(event_time) from newest
