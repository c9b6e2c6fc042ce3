insert into venue_candle
select
    venue,
    symbol,
    start_time,
    open,
    high,
    low,
    close,
    base_volume,
    quote_volume,
    taker_buy_base_volume,
    trade_count,
    first_id,
    last_id,
    supersedes,
    known_time,
    fetched_time
from read_json(
    $file,
    format = 'newline_delimited',
    columns = {
        venue: 'varchar', symbol: 'varchar', start_time: 'bigint', open: 'decimal(38, 18)', high: 'decimal(38, 18)',
        low: 'decimal(38, 18)', close: 'decimal(38, 18)', base_volume: 'decimal(38, 18)',
        quote_volume: 'decimal(38, 18)', taker_buy_base_volume: 'decimal(38, 18)', trade_count: 'bigint',
        first_id: 'bigint', last_id: 'bigint', supersedes: 'boolean', known_time: 'bigint', fetched_time: 'bigint'
    }
)
