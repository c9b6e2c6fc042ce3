-- The ten worst minutes of a day: when was the same coin dearest at one of them?
select
    symbol,
    start_time,
    divergence_bps,
    binance_close,
    kucoin_close,
    state,
    quality
from reconciliation
where day = current_date - 1
order by apart_bps desc nulls last
limit 10;
