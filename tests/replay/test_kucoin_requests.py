from decimal import Decimal

from replay.limits import Rules
from replay.source import DayFigures
from tests.replay_helpers import Clock, rest, still


async def test_symbols_tell_the_code_that_stays_and_the_name_that_is_shown() -> None:
    async with still() as (server, _), rest(server) as client:
        for path in ("/api/v1/symbols", "/api/v2/symbols"):
            answer = (await client.get(path)).json()
            assert answer["code"] == "200000"
            shown = {each["symbol"]: each for each in answer["data"]}
            assert (shown["BCHSV-USDT"]["name"], shown["BCHSV-USDT"]["baseCurrency"]) == ("BSV-USDT", "BSV")
            assert (shown["BTC-USDT"]["priceIncrement"], shown["BTC-USDT"]["baseIncrement"]) == ("0.01", "0.00001")
        assert (await client.get("/api/v2/symbols", params={"market": "BTC"})).json()["data"] == []


async def test_tickers_are_made_anew_every_two_seconds_and_null_where_nothing_traded() -> None:
    clock = Clock()
    async with still(Rules(clock=clock)) as (server, market), rest(server) as client:
        first = (await client.get("/api/v1/market/allTickers")).json()["data"]["ticker"]
        assert [each["last"] for each in first] == [None, None]
        assert (first[0]["vol"], first[0]["changeRate"], first[0]["averagePrice"]) == (None, None, None)
        market.figures = DayFigures(
            1, 2, Decimal("1.10"), Decimal(1), Decimal(1), Decimal(2), Decimal("0.5"), Decimal(4), Decimal("4.2")
        )
        assert (await client.get("/api/v1/market/allTickers")).json()["data"]["ticker"] == first
        clock.seconds += 2
        shown = (await client.get("/api/v1/market/allTickers")).json()["data"]["ticker"][0]
        assert (shown["last"], shown["changePrice"], shown["changeRate"]) == ("1.1", "0.1", "0.1000")
        assert (shown["vol"], shown["volValue"], shown["averagePrice"]) == ("4", "4.2", "1.05")
        assert shown["buy"] is None


async def test_time_is_in_milliseconds_and_every_answer_tells_the_rate_limit() -> None:
    async with still(Rules(clock=Clock())) as (server, _), rest(server) as client:
        answer = await client.get("/api/v1/timestamp")
        assert answer.json() == {"code": "200000", "data": 1_700_000_000_123}
        assert answer.headers["gw-ratelimit-limit"] == "2000"
        assert answer.headers["gw-ratelimit-remaining"] == "1997"
        assert answer.headers["gw-ratelimit-reset"] == "30000"


async def test_an_empty_pool_is_refused_until_it_fills_again() -> None:
    clock = Clock()
    async with still(Rules(clock=clock)) as (server, _), rest(server) as client:
        for _ in range(133):
            assert (await client.get("/api/v1/market/allTickers")).status_code == 200
        refused = await client.get("/api/v1/market/allTickers")
        assert (refused.status_code, refused.json()["code"]) == (429, "429000")
        assert refused.headers["gw-ratelimit-remaining"] == "5"
        clock.seconds += 30
        assert (await client.get("/api/v1/market/allTickers")).status_code == 200


async def test_errors_have_codes_that_are_strings() -> None:
    async with still() as (server, _), rest(server) as client:
        assert (await client.get("/api/v1/bullet-public")).json()["code"] == "405000"
        assert (await client.get("/api/v1/no/such")).json()["code"] == "404000"
        assert (await client.get("/api/v2/no/such")).status_code == 404
