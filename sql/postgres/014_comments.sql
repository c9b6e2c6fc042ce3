-- What each column that a reader sees means: nothing that can be asked for is without an explanation beside it.

comment on column candle.venue is 'binance or kucoin.';
comment on column candle.symbol is 'Base-quote, by the names that are the same at both venues: BTC-USDT.';
comment on column candle."interval" is 'Length of the candle: 1s, 1m, 5m, 15m, 1h, 4h or 1d.';
comment on column candle.start_time is 'When it begins, a whole number of intervals from midnight UTC.';
comment on column candle.open is
'Price of the first trade, by match time and then by the venue''s own order; quote per base.';
comment on column candle.high is 'Greatest price, quote per base.';
comment on column candle.low is 'Least price, quote per base.';
comment on column candle.close is
'Price of the last trade, by match time and then by the venue''s own order; quote per base.';
comment on column candle.base_volume is 'Sum of the sizes, in base units, exact.';
comment on column candle.quote_volume is 'Sum of price times size, in quote units, exact.';
comment on column candle.first_id is
'Least of the venue''s ids that are counted: a trade id at Binance, a sequence at KuCoin; null where it does not tell.';
comment on column candle.last_id is 'Greatest of them; null like first_id.';

comment on column ticker.venue is 'binance or kucoin.';
comment on column ticker.symbol is 'Base-quote, the same at both venues.';
comment on column ticker.last_price is 'Price of the last trade, quote per base.';
comment on column ticker.last_size is 'Size of the last trade, in base units.';
comment on column ticker.bid_price is 'Best price that is bid, quote per base.';
comment on column ticker.bid_size is 'What is bid at it, in base units.';
comment on column ticker.ask_price is 'Best price that is asked, quote per base.';
comment on column ticker.ask_size is 'What is asked at it, in base units.';
comment on column ticker.open_24h is 'Price 24 hours ago, quote per base.';
comment on column ticker.high_24h is 'Greatest price of the last 24 hours, quote per base.';
comment on column ticker.low_24h is 'Least price of the last 24 hours, quote per base.';
comment on column ticker.base_volume_24h is 'What was traded in the last 24 hours, in base units.';
comment on column ticker.quote_volume_24h is 'What was paid for it, in quote units.';
comment on column ticker.updated_at is 'When the row was last written, by this machine''s clock.';

comment on column feed_event.event_id is 'Unlike for any two events: one that is delivered again stays one row.';
comment on column feed_event.venue is 'binance or kucoin.';
comment on column feed_event.kind is 'What happened: connected, disconnected, stale, gap_opened, listed …';
comment on column feed_event.connection is 'The connection that it happened to; null where it was none.';
comment on column feed_event.symbol is 'The symbol that it is about; null where it is about none.';
comment on column feed_event.detail is 'What else is known of it: a JSON object; null where there is nothing.';

comment on column late_trade.venue is 'binance or kucoin.';
comment on column late_trade.symbol is 'Base-quote, the same at both venues.';
comment on column late_trade.source_id is 'The venue''s own id of what it sent.';
comment on column late_trade.first_id is 'First of the venue''s trades that it stands for.';
comment on column late_trade.last_id is 'Last of them; the same where it stands for one.';
comment on column late_trade.sequence is
'Orders trades of one match time: the last trade id at Binance, KuCoin''s own sequence.';
comment on column late_trade.price is 'Price, quote per base.';
comment on column late_trade.size is 'Size, in base units.';
comment on column late_trade.quote is 'Price times size, in quote units.';
comment on column late_trade.side is 'What the taker did: buy or sell.';
comment on column late_trade.event_time is 'The venue''s match time.';
comment on column late_trade.receive_time is 'When it was received here, by this machine''s clock.';

comment on column gap.venue is 'binance or kucoin.';
comment on column gap.symbol is 'Base-quote, the same at both venues.';
comment on column gap.reason is
'How it came to light: ids, disconnected, start, dropped, late, candle_mismatch.';

comment on column instrument.venue is 'binance or kucoin.';
comment on column instrument.quote is 'In what it is paid.';

comment on column reconciliation.symbol is 'Base-quote, the same at both venues.';
comment on column reconciliation.start_time is 'When the minute begins, UTC.';
comment on column reconciliation.binance_trade_count is
'Binance''s own trades; null where its candle does not tell, and where it has none.';
comment on column reconciliation.binance_last_trade_time is
'Match time of the newest trade at Binance that is counted; null where none is.';
comment on column reconciliation.binance_complete is
'False while an open gap touches Binance''s candle; null where it has none.';
comment on column reconciliation.binance_origin is
'What Binance''s candle is made of: trades or venue_candle; null where it has none.';

comment on column reconciliation_live.symbol is 'Base-quote, the same at both venues.';
comment on column reconciliation_live.binance_last is 'Last price at Binance, quote per base.';

comment on column completeness.venue is 'binance or kucoin.';
comment on column completeness.symbol is 'Base-quote, the same at both venues.';

-- What has the name of a candle's column means the same, and what is said of one venue counts for the other.
do $$
declare
    item record;
begin
    for item in
        select
            silent.attrelid::regclass as relation,
            silent.attname as name,
            coalesce(
                col_description('candle'::regclass, candle.attnum),
                replace(col_description(silent.attrelid, twin.attnum), 'Binance', 'KuCoin')
            ) as meaning
        from pg_attribute as silent
        left join pg_attribute as candle
            on candle.attrelid = 'candle'::regclass
                and candle.attname = silent.attname
                and silent.attrelid in ('candle_revision'::regclass, 'candle_filled'::regclass)
        left join pg_attribute as twin
            on twin.attrelid = silent.attrelid and twin.attname = replace(silent.attname, 'kucoin_', 'binance_')
        where silent.attrelid in (
            'candle_revision'::regclass, 'candle_filled'::regclass, 'reconciliation'::regclass,
            'reconciliation_live'::regclass
        )
            and silent.attnum > 0
            and col_description(silent.attrelid, silent.attnum) is null
    loop
        execute format('comment on column %s.%I is %L', item.relation, item.name, item.meaning);
    end loop;
end
$$;

comment on column candle_partitioning."interval" is 'An interval of candles.';
comment on column candle_partitioning.span is 'How much time one partition of its candles holds.';
