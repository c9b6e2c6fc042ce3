-- How long it takes until a trade can be read in its candle, as the database itself can tell it.

-- A second's row is written last when its last trade is counted, and says when that was. So each row is one sample.
-- Some 60 seconds of the range are looked at, or a day of them would take minutes.
create function freshness(from_time timestamptz, to_time timestamptz, step interval)
returns table (start_time timestamptz, candles bigint, p50_seconds double precision, p99_seconds double precision)
language sql stable as $$
    -- Once, however costly it is to work out what is asked for.
    with asked as materialized (
        select
            $1 as from_time,
            -- Behind the market's now there is nothing to look for.
            least($2, newest_trade_counted()) as to_time,
            $3 as step,
            make_interval(secs => greatest(1, ceil(extract(epoch from $2 - $1) / 60)::double precision)) as distance
    )

    select
        sampled.step_start,
        sampled.candles,
        sampled.spread[1],
        sampled.spread[2]
    from (
        select
            date_bin(asked.step, second, asked.from_time) as step_start,
            count(*) as candles,
            percentile_cont(array[0.5, 0.99]) within group (order by sample.age) as spread
        from asked
        cross join
            generate_series(
                date_bin('1 second', asked.from_time + interval '999999 microseconds', 'epoch'),
                asked.to_time,
                asked.distance
            ) as second
        cross join lateral (
            select extract(epoch from candle.updated_at - candle.last_trade_time)::double precision as age
            from candle_1s as candle
            where candle.start_time = second
                and candle.late_inputs = 0
                and candle.updated_at - candle.last_trade_time < interval '1 day'
            -- A step in the index for each second, whatever the planner thinks of their number.
            offset 0
        ) as sample
        group by step_start
    ) as sampled
    order by sampled.step_start
$$;

comment on function freshness is
'How many seconds after its match a trade was in its candle: median and 99th percentile by step, of the last trades of
some 60 seconds from `from_time` to `to_time`. By this machine''s clock less the venue''s. What became known late is
left out, and what was written more than a day after it happened: a recording, or history that is read again.';

grant execute on function freshness to pricebraid_reader, pricebraid_writer;
