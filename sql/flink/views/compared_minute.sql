-- Both venues' candle of a minute side by side. Of each the newest version counts: the greatest of the texts that begin
-- with it, to be split again. So nothing is taken back when a minute is corrected, and order makes no difference.
create view compared_minute as
select
    symbol,
    start_time,
    cast(binance[2] as decimal(38, 18)) as binance_close,
    cast(binance[3] as decimal(38, 18)) as binance_volume,
    cast(binance[4] as decimal(38, 18)) as binance_quote_volume,
    cast(nullif(binance[5], '') as bigint) as binance_trade_count,
    cast(nullif(binance[6], '') as timestamp(3)) as binance_last_trade_time,
    binance[7] as binance_origin,
    cast(nullif(binance[8], '') as boolean) as binance_complete,
    cast(kucoin[2] as decimal(38, 18)) as kucoin_close,
    cast(kucoin[3] as decimal(38, 18)) as kucoin_volume,
    cast(kucoin[4] as decimal(38, 18)) as kucoin_quote_volume,
    cast(nullif(kucoin[5], '') as bigint) as kucoin_trade_count,
    cast(nullif(kucoin[6], '') as timestamp(3)) as kucoin_last_trade_time,
    kucoin[7] as kucoin_origin,
    cast(nullif(kucoin[8], '') as boolean) as kucoin_complete,
    -- Grows with either of them.
    coalesce(cast(binance[1] as bigint), 0) + coalesce(cast(kucoin[1] as bigint), 0) as version
from (
    select
        symbol,
        start_time,
        -- Flink evaluates an expression anew wherever it is used, and each of these is used eight times: unless it
        -- could differ from one use to the next. `rand()` could, and is always less than 1.
        case when rand() < 1 then split(newest_of_binance, '|') end as binance,
        case when rand() < 1 then split(newest_of_kucoin, '|') end as kucoin
    from (
        select
            symbol,
            start_time,
            max(newest) filter (where venue = 'binance') as newest_of_binance,
            max(newest) filter (where venue = 'kucoin') as newest_of_kucoin
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
) as parted
