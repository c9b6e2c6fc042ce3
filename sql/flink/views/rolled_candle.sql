-- Coarser candles of up to six finer ones, each in a slot of its own, and of the marks of gaps in them. What stands
-- where in a slot's text, tells rollup_part.sql; numbers are compared as texts, and no more of them read than needed.
-- Rows without a price have marks only; the sinks drop them, since a condition here would make Flink retract rows.
-- Volumes have 17 digits before the point while they are added up: of more, Flink would take digits off behind it.
create view rolled_candle as
select
    venue,
    symbol,
    `interval`,
    start_time,
    cast(coalesce(
        substring(newest_0 from 26 for 39),
        substring(newest_1 from 26 for 39),
        substring(newest_2 from 26 for 39),
        substring(newest_3 from 26 for 39),
        substring(newest_4 from 26 for 39),
        substring(newest_5 from 26 for 39)
    ) as decimal(38, 18)) as `open`,
    cast(greatest(
        coalesce(substring(newest_0 from 65 for 39), '0'),
        coalesce(substring(newest_1 from 65 for 39), '0'),
        coalesce(substring(newest_2 from 65 for 39), '0'),
        coalesce(substring(newest_3 from 65 for 39), '0'),
        coalesce(substring(newest_4 from 65 for 39), '0'),
        coalesce(substring(newest_5 from 65 for 39), '0')
    ) as decimal(38, 18)) as high,
    cast(least(
        coalesce(substring(newest_0 from 104 for 39), '99999999999999999999'),
        coalesce(substring(newest_1 from 104 for 39), '99999999999999999999'),
        coalesce(substring(newest_2 from 104 for 39), '99999999999999999999'),
        coalesce(substring(newest_3 from 104 for 39), '99999999999999999999'),
        coalesce(substring(newest_4 from 104 for 39), '99999999999999999999'),
        coalesce(substring(newest_5 from 104 for 39), '99999999999999999999')
    ) as decimal(38, 18)) as low,
    cast(coalesce(
        substring(newest_5 from 143 for 39),
        substring(newest_4 from 143 for 39),
        substring(newest_3 from 143 for 39),
        substring(newest_2 from 143 for 39),
        substring(newest_1 from 143 for 39),
        substring(newest_0 from 143 for 39)
    ) as decimal(38, 18)) as `close`,
    cast(
        (
            coalesce(cast(substring(newest_0 from 182 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_1 from 182 for 39) as decimal(35, 18)), 0)
        )
        + (
            coalesce(cast(substring(newest_2 from 182 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_3 from 182 for 39) as decimal(35, 18)), 0)
        )
        + (
            coalesce(cast(substring(newest_4 from 182 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_5 from 182 for 39) as decimal(35, 18)), 0)
        )
        as decimal(38, 18)
    ) as base_volume,
    cast(
        (
            coalesce(cast(substring(newest_0 from 221 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_1 from 221 for 39) as decimal(35, 18)), 0)
        )
        + (
            coalesce(cast(substring(newest_2 from 221 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_3 from 221 for 39) as decimal(35, 18)), 0)
        )
        + (
            coalesce(cast(substring(newest_4 from 221 for 39) as decimal(35, 18)), 0)
            + coalesce(cast(substring(newest_5 from 221 for 39) as decimal(35, 18)), 0)
        )
        as decimal(38, 18)
    ) as quote_volume,
    -- Null where one of the finer candles does not tell.
    cast(
        (
            case when newest_0 is null then 0 else try_cast(substring(newest_0 from 260 for 39) as decimal(35, 18)) end
            + case
                when newest_1 is null then 0 else try_cast(substring(newest_1 from 260 for 39) as decimal(35, 18))
            end
        )
        + (
            case when newest_2 is null then 0 else try_cast(substring(newest_2 from 260 for 39) as decimal(35, 18)) end
            + case
                when newest_3 is null then 0 else try_cast(substring(newest_3 from 260 for 39) as decimal(35, 18))
            end
        )
        + (
            case when newest_4 is null then 0 else try_cast(substring(newest_4 from 260 for 39) as decimal(35, 18)) end
            + case
                when newest_5 is null then 0 else try_cast(substring(newest_5 from 260 for 39) as decimal(35, 18))
            end
        )
        as decimal(38, 18)
    ) as taker_buy_base_volume,
    case when newest_0 is null then 0 else try_cast(substring(newest_0 from 299 for 19) as bigint) end
    + case when newest_1 is null then 0 else try_cast(substring(newest_1 from 299 for 19) as bigint) end
    + case when newest_2 is null then 0 else try_cast(substring(newest_2 from 299 for 19) as bigint) end
    + case when newest_3 is null then 0 else try_cast(substring(newest_3 from 299 for 19) as bigint) end
    + case when newest_4 is null then 0 else try_cast(substring(newest_4 from 299 for 19) as bigint) end
    + case when newest_5 is null then 0 else try_cast(substring(newest_5 from 299 for 19) as bigint) end as trade_count,
    try_cast(least(
        coalesce(substring(newest_0 from 318 for 19), 'x'),
        coalesce(substring(newest_1 from 318 for 19), 'x'),
        coalesce(substring(newest_2 from 318 for 19), 'x'),
        coalesce(substring(newest_3 from 318 for 19), 'x'),
        coalesce(substring(newest_4 from 318 for 19), 'x'),
        coalesce(substring(newest_5 from 318 for 19), 'x')
    ) as bigint) as first_id,
    try_cast(greatest(
        coalesce(substring(newest_0 from 337 for 19), ' '),
        coalesce(substring(newest_1 from 337 for 19), ' '),
        coalesce(substring(newest_2 from 337 for 19), ' '),
        coalesce(substring(newest_3 from 337 for 19), ' '),
        coalesce(substring(newest_4 from 337 for 19), ' '),
        coalesce(substring(newest_5 from 337 for 19), ' ')
    ) as bigint) as last_id,
    case
        when 'venue_candle' in (
            substring(newest_0 from 421),
            substring(newest_1 from 421),
            substring(newest_2 from 421),
            substring(newest_3 from 421),
            substring(newest_4 from 421),
            substring(newest_5 from 421)
        ) then 'venue_candle'
        else 'trades'
    end as origin,
    marks = 0 as complete,
    try_cast(greatest(
        coalesce(substring(newest_0 from 356 for 23), ' '),
        coalesce(substring(newest_1 from 356 for 23), ' '),
        coalesce(substring(newest_2 from 356 for 23), ' '),
        coalesce(substring(newest_3 from 356 for 23), ' '),
        coalesce(substring(newest_4 from 356 for 23), ' '),
        coalesce(substring(newest_5 from 356 for 23), ' ')
    ) as timestamp(3)) as last_trade_time,
    cast(greatest(
        coalesce(cast(marked_time as string), ' '),
        coalesce(substring(newest_0 from 379 for 23), ' '),
        coalesce(substring(newest_1 from 379 for 23), ' '),
        coalesce(substring(newest_2 from 379 for 23), ' '),
        coalesce(substring(newest_3 from 379 for 23), ' '),
        coalesce(substring(newest_4 from 379 for 23), ' '),
        coalesce(substring(newest_5 from 379 for 23), ' ')
    ) as timestamp(3)) as known_time,
    late_marks
    + coalesce(cast(substring(newest_0 from 402 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_1 from 402 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_2 from 402 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_3 from 402 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_4 from 402 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_5 from 402 for 19) as bigint), 0) as late_inputs,
    ${generation} as generation,
    mark_count
    + coalesce(cast(substring(newest_0 from 7 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_1 from 7 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_2 from 7 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_3 from 7 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_4 from 7 for 19) as bigint), 0)
    + coalesce(cast(substring(newest_5 from 7 for 19) as bigint), 0) as version
from (
    select
        venue,
        symbol,
        `interval`,
        start_time,
        max(newest) filter (where slot = 0) as newest_0,
        max(newest) filter (where slot = 1) as newest_1,
        max(newest) filter (where slot = 2) as newest_2,
        max(newest) filter (where slot = 3) as newest_3,
        max(newest) filter (where slot = 4) as newest_4,
        max(newest) filter (where slot = 5) as newest_5,
        coalesce(sum(change), 0) as marks,
        max(marked_time) as marked_time,
        count(*) filter (where late) as late_marks,
        count(change) as mark_count
    from rollup_input
    group by venue, symbol, `interval`, start_time
) as slotted
