-- Where are the two venues apart now? The widest first.
select
    symbol,
    state,
    binance_last,
    kucoin_last,
    coalesce(mid_divergence_bps, last_divergence_bps) as divergence_bps,
    greatest(binance_age, kucoin_age) as age
from reconciliation_live
order by abs(coalesce(mid_divergence_bps, last_divergence_bps)) desc nulls last
limit 20;
