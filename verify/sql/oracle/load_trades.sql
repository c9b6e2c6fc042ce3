insert into trade
select
    venue,
    symbol,
    first_id,
    last_id,
    sequence,
    price,
    size,
    quote,
    side = 'buy' as bought,
    event_time,
    receive_time,
    event_time + coalesce(behind, 0) as known_time
from read_json(
    $file,
    format = 'newline_delimited',
    columns = {
        venue: 'varchar', symbol: 'varchar', first_id: 'bigint', last_id: 'bigint', sequence: 'bigint',
        price: 'decimal(38, 18)', size: 'decimal(38, 18)', quote: 'decimal(38, 18)', side: 'varchar',
        event_time: 'bigint', receive_time: 'bigint', behind: 'bigint'
    }
)
