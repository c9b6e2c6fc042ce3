-- All that candles are made of: trades (each once, both venues of a symbol in one partition), gap marks and the venues'
-- own candles. One source of three topics, and not a union of three sources: so a row goes from reading to aggregating
-- within one task, without being written and read again in between. What a row is, tells the column that only it has:
-- `price` a trade, `change` a gap mark, `supersedes` a venue's candle. What a record does not have is null.
create table candle_inputs (
    venue string not null,
    symbol string not null,
    -- trades
    price string,
    size string,
    quote string,
    side string,
    sequence bigint,
    event_time bigint,
    behind bigint,
    -- trades and venue candles
    first_id bigint,
    last_id bigint,
    -- gap marks
    seconds int,
    change int,
    -- gap marks and venue candles
    start_time bigint,
    known_time bigint,
    -- venue candles
    `open` string,
    high string,
    low string,
    `close` string,
    base_volume string,
    quote_volume string,
    taker_buy_base_volume string,
    trade_count bigint,
    supersedes boolean,
    fetched_time bigint
) with (
    'connector' = 'kafka',
    'topic' = 'trades;gap_marks;venue_candles',
    'properties.bootstrap.servers' = '${kafka_bootstrap}',
    'properties.group.id' = 'pricebraid-candles',
    -- The sequencer writes in transactions: what it did not commit was never a trade.
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
)
