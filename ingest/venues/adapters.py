"""The venues that ingest follows."""

from ingest.venues import Venue
from ingest.venues.binance import BinanceVenue
from ingest.venues.kucoin import KucoinVenue
from market.settings import Settings


def adapters(settings: Settings) -> list[Venue]:
    """Return every venue, set up as the settings say. Nothing is asked of it yet."""
    return [BinanceVenue(settings.binance), KucoinVenue(settings.kucoin)]
