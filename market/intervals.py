"""The intervals of candles. Their buckets are half-open and aligned to UTC."""

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE

INTERVALS = {
    "1s": _SECOND,
    "1m": _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "1h": _HOUR,
    "4h": 4 * _HOUR,
    "1d": 24 * _HOUR,
}
"""Every interval with its length in microseconds, the finest first."""
