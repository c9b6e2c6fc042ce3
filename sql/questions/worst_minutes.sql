-- The ten worst minutes of the last whole day: when was the same coin dearest at one of them?
select
    symbol,
    start_time,
    divergence_bps,
    binance_close,
    kucoin_close,
    state,
    quality
from reconciliation
where day = cast(newest_trade_counted() at time zone 'UTC' as date) - 1
order by apart_bps desc nulls last
limit 10;
