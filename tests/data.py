"""Where the real recordings and candles lie, for the tests that need them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
RECORDINGS = SHARED / "recordings"
MESSAGES = SHARED / "messages"
KLINES = SHARED / "klines"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the real recordings are not here: {SHARED.name} is no folder beside the project"
)
