-- What people need before they trust a number: which market this database shows, and when its candles were last
-- recomputed by another engine, and what came of it.

create table market_shown (
    kind text not null check (kind in ('live', 'simulated', 'recording')),
    name text not null,
    started_at timestamptz not null
);

-- A database shows one market.
create unique index market_shown_once on market_shown ((true));

comment on table market_shown is 'Which market this database shows; one row, written at each start.';
comment on column market_shown.kind is 'live; simulated: prices are made up; recording: they are of the past.';
comment on column market_shown.name is
'The venues of a live market, seed and size of a simulated one, the path of a recording.';
comment on column market_shown.started_at is 'When the stack last began to show it, by this machine''s clock.';

create table verification (
    id bigint generated always as identity primary key,
    scope text not null check (scope in ('recent', 'whole')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    from_time timestamptz,
    to_time timestamptz,
    candles bigint,
    differences bigint,
    doubled_trades bigint,
    differing tstzrange,
    venue_compared bigint,
    venue_differences bigint,
    examples jsonb not null default '[]',
    error text
);

comment on table verification is
'Runs of verify: candles recomputed from the trades by DuckDB, and compared with those that stand here.';
comment on column verification.id is 'Counts the runs.';
comment on column verification.scope is
'recent: what has settled since the last run, as the stack does it by itself; whole: all that the topics still hold.';
comment on column verification.started_at is 'When the run began, by this machine''s clock.';
comment on column verification.finished_at is 'When it ended.';
comment on column verification.from_time is
'From where on candles were compared, by the market''s clock; null where none was.';
comment on column verification.to_time is 'The time by which the candles that were compared had ended.';
comment on column verification.candles is
'Candles that were compared, of all intervals; 0 where nothing new had closed, null where they could not be.';
comment on column verification.differences is 'How many of them are not what the trades make.';
comment on column verification.doubled_trades is 'Trades that stand in the topic more than once.';
comment on column verification.differing is
'From the start of the first candle that differs to the end of the last; null where none does.';
comment on column verification.venue_compared is
'Minutes that were compared with the venues'' own candles over REST.';
comment on column verification.venue_differences is 'How many of these are not the venue''s.';
comment on column verification.examples is
'The first values that differ: an array of objects with venue, symbol, interval, start_time, column, expected, found.';
comment on column verification.error is
'Why candles, or the venues'' own, could not be compared; null where they were.';

create view verified as
with newest as (
    select error
    from verification
    order by finished_at desc, id desc
    limit 1
),

checked as (
    select *
    from verification
    where candles is not null
    order by finished_at desc, id desc
    limit 1
),

-- What a run found stands until a later one has looked at the same candles.
standing as (
    select sum(run.differences + run.doubled_trades) as differences
    from verification as run
    where
        run.differences + run.doubled_trades > 0
        and run.finished_at > clock_timestamp() - interval '7 days'
        and not exists (
            select 1
            from verification as later
            where
                later.finished_at > run.finished_at
                and later.candles is not null
                and tstzrange(later.from_time, later.to_time)
                @> coalesce(run.differing, tstzrange(run.from_time, run.to_time))
                -- Without bounds a range is all of time.
                and later.from_time is not null
        )
),

-- Of the venues' minutes another sample is drawn each time, so no run takes back what another found.
unlike as (
    select sum(venue_differences) as venue_differences
    from verification
    where finished_at > clock_timestamp() - interval '7 days'
)

select
    checked.finished_at,
    checked.from_time,
    checked.to_time,
    checked.candles,
    checked.venue_compared,
    coalesce(standing.differences, 0)::bigint as differences,
    coalesce(unlike.venue_differences, 0)::bigint as venue_differences,
    newest.error
from newest
cross join standing
cross join unlike
left join checked on true;

comment on view verified is
'How far the candles were verified, and what differs; one row, none before the first run of verify.';
comment on column verified.finished_at is 'When candles were last compared; null where they never could be.';
comment on column verified.from_time is 'From where on that run compared them, by the market''s clock.';
comment on column verified.to_time is 'The time by which those that it compared had ended.';
comment on column verified.candles is 'How many it compared; 0 where nothing new had closed.';
comment on column verified.venue_compared is 'Minutes that it compared with the venues'' own candles.';
comment on column verified.differences is
'Candles found unlike what the trades make, and trades that stand twice, in the last 7 days, unless a later run looked
at the same candles again.';
comment on column verified.venue_differences is 'Minutes found unlike the venue''s own candle in the last 7 days.';
comment on column verified.error is 'What kept the newest run from comparing; null where nothing did.';

grant select on market_shown, verification, verified to pricebraid_reader;
grant select, insert, delete on verification to pricebraid_writer;

-- The recent candles of all symbols are asked for every hour. Rows come in the order of their time, so a summary of
-- each stretch of a table is enough, and costs those who write next to nothing.
create index candle_1m_time on candle_1m using brin (start_time) with (pages_per_range = 32);
create index candle_5m_time on candle_5m using brin (start_time) with (pages_per_range = 32);
create index candle_15m_time on candle_15m using brin (start_time) with (pages_per_range = 32);
create index candle_1h_time on candle_1h using brin (start_time) with (pages_per_range = 32);
