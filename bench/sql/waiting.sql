-- Ends what is read of it, and begins with what was written since then (milliseconds since the epoch).
alter table candle_inputs set ( -- noqa: PRS
    'scan.startup.mode' = 'timestamp',
    'scan.startup.timestamp-millis' = '${since}',
    'scan.bounded.mode' = 'latest-offset'
)
