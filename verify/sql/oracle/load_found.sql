-- Of the rows of Postgres those that are closed by the trades that were read, and ended by then.
insert into found
select row.*
from read_csv(
    $file,
    header = false,
    auto_detect = false,
    delim = ',',
    quote = '"',
    columns = {
        venue: 'varchar', symbol: 'varchar', interval: 'varchar', start_time: 'bigint', open: 'varchar',
        high: 'varchar', low: 'varchar', close: 'varchar', base_volume: 'varchar', quote_volume: 'varchar',
        taker_buy_base_volume: 'varchar', trade_count: 'varchar', first_id: 'varchar', last_id: 'varchar',
        origin: 'varchar', complete: 'varchar', last_trade_time: 'varchar', known_time: 'varchar'
    }
) as row
inner join reach on row."interval" = reach."interval"
left join newest on row.venue = newest.venue and row.symbol = newest.symbol
where row.start_time + reach.length <= least($until, greatest(newest.event_time, $settled))
