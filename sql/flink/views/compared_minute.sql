-- Both venues' candle of a minute side by side. Of each the newest version counts: the greatest of the texts that begin
-- with it, to be split again. So nothing is taken back when a minute is corrected, and order makes no difference.
create view compared_minute as
select
    symbol,
    start_time,
    cast(split_index(binance, '|', 1) as decimal(38, 18)) as binance_close,
    cast(split_index(binance, '|', 2) as decimal(38, 18)) as binance_volume,
    cast(split_index(binance, '|', 3) as decimal(38, 18)) as binance_quote_volume,
    cast(nullif(split_index(binance, '|', 4), '') as bigint) as binance_trade_count,
    cast(nullif(split_index(binance, '|', 5), '') as timestamp(3)) as binance_last_trade_time,
    split_index(binance, '|', 6) as binance_origin,
    cast(nullif(split_index(binance, '|', 7), '') as boolean) as binance_complete,
    cast(split_index(kucoin, '|', 1) as decimal(38, 18)) as kucoin_close,
    cast(split_index(kucoin, '|', 2) as decimal(38, 18)) as kucoin_volume,
    cast(split_index(kucoin, '|', 3) as decimal(38, 18)) as kucoin_quote_volume,
    cast(nullif(split_index(kucoin, '|', 4), '') as bigint) as kucoin_trade_count,
    cast(nullif(split_index(kucoin, '|', 5), '') as timestamp(3)) as kucoin_last_trade_time,
    split_index(kucoin, '|', 6) as kucoin_origin,
    cast(nullif(split_index(kucoin, '|', 7), '') as boolean) as kucoin_complete,
    -- Grows with either of them.
    coalesce(cast(split_index(binance, '|', 0) as bigint), 0) + coalesce(cast(split_index(kucoin, '|', 0) as bigint), 0)
        as version
from (
    select
        symbol,
        start_time,
        max(newest) filter (where venue = 'binance') as binance,
        max(newest) filter (where venue = 'kucoin') as kucoin
    from (
        select
            venue,
            symbol,
            start_time,
            concat_ws(
                '|',
                -- Versions begin anew in another generation.
                lpad(cast(generation * 1000000000000 + version as string), 19, '0'),
                cast(`close` as string),
                cast(base_volume as string),
                cast(quote_volume as string),
                coalesce(cast(trade_count as string), ''),
                coalesce(cast(last_trade_time as string), ''),
                origin,
                coalesce(cast(complete as string), '')
            ) as newest
        from minutes
        where start_time >= cast(to_timestamp_ltz(${from_time} / 1000, 3) as timestamp(3))
    ) as told
    group by symbol, start_time
) as sides
