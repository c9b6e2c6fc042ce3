delete from trade
where rowid in (select place from doubled)
