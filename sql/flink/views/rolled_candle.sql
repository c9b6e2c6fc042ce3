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
    cast(coalesce(slot_0[3], slot_1[3], slot_2[3], slot_3[3], slot_4[3], slot_5[3]) as decimal(38, 18)) as `open`,
    cast(greatest(
        coalesce(slot_0[4], '0'),
        coalesce(slot_1[4], '0'),
        coalesce(slot_2[4], '0'),
        coalesce(slot_3[4], '0'),
        coalesce(slot_4[4], '0'),
        coalesce(slot_5[4], '0')
    ) as decimal(38, 18)) as high,
    cast(least(
        coalesce(slot_0[5], '99999999999999999999'),
        coalesce(slot_1[5], '99999999999999999999'),
        coalesce(slot_2[5], '99999999999999999999'),
        coalesce(slot_3[5], '99999999999999999999'),
        coalesce(slot_4[5], '99999999999999999999'),
        coalesce(slot_5[5], '99999999999999999999')
    ) as decimal(38, 18)) as low,
    cast(coalesce(slot_5[6], slot_4[6], slot_3[6], slot_2[6], slot_1[6], slot_0[6]) as decimal(38, 18)) as `close`,
    cast(
        (coalesce(cast(slot_0[7] as decimal(35, 18)), 0) + coalesce(cast(slot_1[7] as decimal(35, 18)), 0))
        + (coalesce(cast(slot_2[7] as decimal(35, 18)), 0) + coalesce(cast(slot_3[7] as decimal(35, 18)), 0))
        + (coalesce(cast(slot_4[7] as decimal(35, 18)), 0) + coalesce(cast(slot_5[7] as decimal(35, 18)), 0))
        as decimal(38, 18)
    ) as base_volume,
    cast(
        (coalesce(cast(slot_0[8] as decimal(35, 18)), 0) + coalesce(cast(slot_1[8] as decimal(35, 18)), 0))
        + (coalesce(cast(slot_2[8] as decimal(35, 18)), 0) + coalesce(cast(slot_3[8] as decimal(35, 18)), 0))
        + (coalesce(cast(slot_4[8] as decimal(35, 18)), 0) + coalesce(cast(slot_5[8] as decimal(35, 18)), 0))
        as decimal(38, 18)
    ) as quote_volume,
    -- Null where one of the finer candles does not tell.
    cast(
        (
            case when slot_0 is null then 0 else cast(nullif(slot_0[9], 'x') as decimal(35, 18)) end
            + case when slot_1 is null then 0 else cast(nullif(slot_1[9], 'x') as decimal(35, 18)) end
        )
        + (
            case when slot_2 is null then 0 else cast(nullif(slot_2[9], 'x') as decimal(35, 18)) end
            + case when slot_3 is null then 0 else cast(nullif(slot_3[9], 'x') as decimal(35, 18)) end
        )
        + (
            case when slot_4 is null then 0 else cast(nullif(slot_4[9], 'x') as decimal(35, 18)) end
            + case when slot_5 is null then 0 else cast(nullif(slot_5[9], 'x') as decimal(35, 18)) end
        )
        as decimal(38, 18)
    ) as taker_buy_base_volume,
    case when slot_0 is null then 0 else cast(nullif(slot_0[10], 'x') as bigint) end
    + case when slot_1 is null then 0 else cast(nullif(slot_1[10], 'x') as bigint) end
    + case when slot_2 is null then 0 else cast(nullif(slot_2[10], 'x') as bigint) end
    + case when slot_3 is null then 0 else cast(nullif(slot_3[10], 'x') as bigint) end
    + case when slot_4 is null then 0 else cast(nullif(slot_4[10], 'x') as bigint) end
    + case when slot_5 is null then 0 else cast(nullif(slot_5[10], 'x') as bigint) end as trade_count,
    cast(nullif(
        least(
            coalesce(slot_0[11], 'x'),
            coalesce(slot_1[11], 'x'),
            coalesce(slot_2[11], 'x'),
            coalesce(slot_3[11], 'x'),
            coalesce(slot_4[11], 'x'),
            coalesce(slot_5[11], 'x')
        ),
        'x'
    ) as bigint) as first_id,
    cast(nullif(
        greatest(
            coalesce(slot_0[12], ' '),
            coalesce(slot_1[12], ' '),
            coalesce(slot_2[12], ' '),
            coalesce(slot_3[12], ' '),
            coalesce(slot_4[12], ' '),
            coalesce(slot_5[12], ' ')
        ),
        ' '
    ) as bigint) as last_id,
    case
        when 'venue_candle' in (slot_0[16], slot_1[16], slot_2[16], slot_3[16], slot_4[16], slot_5[16])
            then 'venue_candle'
        else 'trades'
    end as origin,
    marks = 0 as complete,
    cast(to_timestamp_ltz(cast(nullif(
        greatest(
            coalesce(slot_0[13], ' '),
            coalesce(slot_1[13], ' '),
            coalesce(slot_2[13], ' '),
            coalesce(slot_3[13], ' '),
            coalesce(slot_4[13], ' '),
            coalesce(slot_5[13], ' ')
        ),
        ' '
    ) as bigint), 3) as timestamp(3)) as last_trade_time,
    cast(to_timestamp_ltz(greatest(
        coalesce(marked_time, 0),
        coalesce(cast(slot_0[14] as bigint), 0),
        coalesce(cast(slot_1[14] as bigint), 0),
        coalesce(cast(slot_2[14] as bigint), 0),
        coalesce(cast(slot_3[14] as bigint), 0),
        coalesce(cast(slot_4[14] as bigint), 0),
        coalesce(cast(slot_5[14] as bigint), 0)
    ), 3) as timestamp(3)) as known_time,
    late_marks
    + coalesce(cast(slot_0[15] as bigint), 0)
    + coalesce(cast(slot_1[15] as bigint), 0)
    + coalesce(cast(slot_2[15] as bigint), 0)
    + coalesce(cast(slot_3[15] as bigint), 0)
    + coalesce(cast(slot_4[15] as bigint), 0)
    + coalesce(cast(slot_5[15] as bigint), 0) as late_inputs,
    ${generation} as generation,
    mark_count
    + coalesce(cast(slot_0[2] as bigint), 0)
    + coalesce(cast(slot_1[2] as bigint), 0)
    + coalesce(cast(slot_2[2] as bigint), 0)
    + coalesce(cast(slot_3[2] as bigint), 0)
    + coalesce(cast(slot_4[2] as bigint), 0)
    + coalesce(cast(slot_5[2] as bigint), 0) as version
from (
    select
        venue,
        symbol,
        `interval`,
        start_time,
        -- Flink evaluates an expression anew wherever it is used, and each of these is used 15 times: unless it could
        -- differ from one use to the next. `rand()` could, and is always less than 1.
        case when rand() < 1 then split(newest_0, '|') end as slot_0,
        case when rand() < 1 then split(newest_1, '|') end as slot_1,
        case when rand() < 1 then split(newest_2, '|') end as slot_2,
        case when rand() < 1 then split(newest_3, '|') end as slot_3,
        case when rand() < 1 then split(newest_4, '|') end as slot_4,
        case when rand() < 1 then split(newest_5, '|') end as slot_5,
        marks,
        marked_time,
        late_marks,
        mark_count
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
) as parted
