insert into gap_mark
select
    venue,
    symbol,
    seconds,
    start_time,
    change,
    known_time
from read_json(
    $file,
    format = 'newline_delimited',
    columns = {
        venue: 'varchar', symbol: 'varchar', seconds: 'bigint', start_time: 'bigint', change: 'bigint',
        known_time: 'bigint'
    }
)
