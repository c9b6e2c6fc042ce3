-- One of the two topics that rollups are made of, every version of a candle a row.
-- (The linter does not know `like`.)
create table ${topic} -- noqa: PRS
with (
    'topic' = '${topic}'
) like rollup_parts
