from ingest.silence import Silence


def test_a_symbol_that_never_sends_is_reported_once() -> None:
    silence = Silence(300)
    silence.watch(["A-B", "C-D"], 0.0)
    silence.heard("A-B")
    assert silence.due(299.9) == []
    assert silence.due(300.0) == ["C-D"]
    assert silence.due(900.0) == []
    assert silence.silent == {"C-D"}


def test_a_reconnect_does_not_start_the_wait_anew() -> None:
    silence = Silence(300)
    silence.watch(["A-B"], 0.0)
    silence.watch(["A-B"], 200.0)
    assert silence.due(300.0) == ["A-B"]
    silence.watch(["A-B"], 400.0)
    assert silence.due(1000.0) == []


def test_a_symbol_that_sends_after_all_is_silent_no_longer() -> None:
    silence = Silence(1)
    silence.watch(["A-B"], 0.0)
    silence.due(2.0)
    silence.heard("A-B")
    assert silence.silent == set()
    silence.watch(["A-B"], 3.0)
    assert silence.due(9.0) == []


def test_nothing_is_expected_of_a_symbol_that_does_not_trade() -> None:
    silence = Silence(300)
    silence.close(["A-B", "E-F"], 0.0)
    silence.watch(["A-B", "C-D"], 0.0)
    assert silence.due(300.0) == ["C-D"]
    silence.close(["C-D"], 400.0)
    assert silence.silent == set()
    # What trades again is expected from then on.
    assert silence.due(699.9) == []
    assert silence.due(700.0) == ["A-B", "E-F"]


def test_a_symbol_that_traded_before_it_was_halted_has_to_send_again_afterwards() -> None:
    silence = Silence(300)
    silence.heard("A-B")
    silence.heard("C-D")
    silence.close(["A-B", "C-D"], 0.0)
    silence.heard("C-D")
    silence.close([], 100.0)
    assert silence.due(400.0) == ["A-B"]
