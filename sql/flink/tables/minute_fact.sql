-- What both venues said of a minute, in Postgres. A trigger there refuses older rows and deletes.
create table minute_fact (
    symbol string not null,
    start_time timestamp(3) not null,
    binance_close decimal(38, 18),
    binance_volume decimal(38, 18),
    binance_quote_volume decimal(38, 18),
    binance_trade_count bigint,
    binance_last_trade_time timestamp(3),
    binance_origin string,
    binance_complete boolean,
    kucoin_close decimal(38, 18),
    kucoin_volume decimal(38, 18),
    kucoin_quote_volume decimal(38, 18),
    kucoin_trade_count bigint,
    kucoin_last_trade_time timestamp(3),
    kucoin_origin string,
    kucoin_complete boolean,
    version bigint not null,
    primary key (symbol, start_time) not enforced
) with (
    'connector' = 'jdbc',
    'url' = '${jdbc_url}',
    'username' = 'pricebraid_writer',
    'password' = '${postgres_password}',
    'table-name' = 'minute_fact',
    'sink.buffer-flush.interval' = '1 s',
    'sink.buffer-flush.max-rows' = '2000'
)
