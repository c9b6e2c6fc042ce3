-- Reads and decodes what is there, once.
insert into nowhere
select * from candle_inputs /*+ options('scan.bounded.mode' = 'latest-offset') */
