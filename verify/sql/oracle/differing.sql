select count(*) from earlier
