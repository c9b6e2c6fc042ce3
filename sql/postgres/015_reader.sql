-- Who reads sees what docs/sql.md tells of, and nothing else. How repair keeps its place, what the table instrument is
-- made of, and the facts that views are made of are nobody's to build upon.

-- A partition is read through its parent, with the parent's rights.
alter default privileges in schema public revoke select on tables from pricebraid_reader;
revoke all on all tables in schema public from pricebraid_reader;
grant select on
candle, candle_1s, candle_1m, candle_5m, candle_15m, candle_1h, candle_4h, candle_1d, candle_revision, candle_filled,
gap, ticker, feed_event, late_trade, instrument,
candle_partitioning, reconciliation, reconciliation_live, completeness, reconciliation_threshold
to pricebraid_reader;

-- It is called by a view, as whoever asks the view, and looks at facts that nobody has rights on.
alter function divergence_before security definer set search_path to public, pg_temp;

-- What a view calls needs the right to be called; what a trigger runs does not.
revoke execute on all functions in schema public from public;
grant execute on function
candle_range, candle_as_of, vwap, newest_trade_counted, candle_span, open_gap_touches, minutes_missing, idle_candle,
candle_buckets, divergence_before
to pricebraid_reader, pricebraid_writer;

-- Nobody but the owner needs a place for tables of their own.
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;
