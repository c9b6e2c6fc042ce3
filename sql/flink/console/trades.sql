-- Trades as ingest sends them (`trades_in`), and each once in its place (`trades`).
-- (The linter does not know `like`.)
create table ${topic} ( -- noqa: PRS
    origin string
) with (
    'topic' = '${topic}'
) like late_trades
