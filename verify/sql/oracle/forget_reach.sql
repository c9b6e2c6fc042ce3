delete from reach
