from datetime import UTC, datetime
from pathlib import Path

import pytest

from pitboss_cli import endpoint, moments, results
from pitboss_cli.refusals import BadUse
from pitboss_cli.watching.stream import Event, Pause, parse

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "manage.sh").touch()
    (tmp_path / "native").mkdir()
    (tmp_path / ".env").write_text("PITBOSS_ADMIN_KEY=of-the-checkout\nPITBOSS_PORT=9000\n")
    return tmp_path


def test_a_moment_is_a_time_or_an_age() -> None:
    for text, expected in (
        ("2026-11-21T08:00:00Z", "2026-11-21T08:00:00.000Z"),
        ("2026-11-21T16:00:00+08:00", "2026-11-21T08:00:00.000Z"),
        ("90s", "2026-11-21T08:58:30.000Z"),
        ("15m", "2026-11-21T08:45:00.000Z"),
        ("2h", "2026-11-21T07:00:00.000Z"),
        ("3d", "2026-11-18T09:00:00.000Z"),
    ):
        moment = moments.parse(text, NOW)
        assert moment is not None, text
        assert moments.write(moment) == expected
    for wrong in ("", "yesterday", "2026-11-21T08:00:00", "15", "m", "1.5h", "-2h"):
        assert moments.parse(wrong, NOW) is None, wrong


def test_a_result_is_sent_as_it_was_typed() -> None:
    assert results.read("17", None, None) == {"roulette": "17"}
    assert results.read("99", None, None) == {"roulette": "99"}
    assert results.read(None, "1, 2,3", None) == {"sicBo": [1, 2, 3]}
    cards = results.read(None, None, "D2,S10,HK,C5,-,")
    assert cards == {"baccarat": ["D2", "S10", "HK", "C5", "", ""]}


def test_no_result_two_results_and_no_dice_are_wrong_use() -> None:
    for given in ((None, None, None), ("17", "1,2,3", None), (None, "1,two,3", None)):
        with pytest.raises(BadUse):
            results.read(*given)


def test_results_are_shown_in_a_word() -> None:
    assert results.describe({"roulette": "17"}) == "17"
    assert results.describe({"sicBo": [1, 2, 3]}) == "1,2,3"
    assert results.describe({"baccarat": ["D2", ""]}) == "D2,-"
    assert results.describe(None) == ""


def test_options_go_before_the_environment_and_that_before_the_checkout(checkout: Path) -> None:
    found = endpoint.find(None, None, {}, checkout / "native")
    assert (found.url, found.key) == ("http://127.0.0.1:9000", "of-the-checkout")
    environment = {"PITBOSS_URL": "http://127.0.0.1:9100/", "PITBOSS_KEY": "mine"}
    found = endpoint.find(None, None, environment, checkout)
    assert (found.url, found.key) == ("http://127.0.0.1:9100", "mine")
    (checkout / "key").write_text("of-the-file\n")
    found = endpoint.find("https://[::1]:1", str(checkout / "key"), environment, checkout)
    assert (found.url, found.key) == ("https://[::1]:1", "of-the-file")


def test_a_checkouts_key_goes_to_no_other_machine(checkout: Path) -> None:
    with pytest.raises(BadUse, match="PITBOSS_KEY"):
        endpoint.find("https://pitboss.example", None, {}, checkout)


def test_a_checkout_with_a_certificate_is_asked_by_https(checkout: Path) -> None:
    around = {"PITBOSS_TLS_CERT": "a/cert.pem", "PITBOSS_EDGE_BIND": "0.0.0.0"}  # noqa: S104
    found = endpoint.find(None, None, around, checkout)
    assert found.url == "https://127.0.0.1:9000"
    assert found.certificate == checkout / "a/cert.pem"


def test_wrong_addresses_and_keys_are_one_sentence(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for url, key_file, environment in (
        ("127.0.0.1:8080", None, {}),
        ("ftp://127.0.0.1", None, {}),
        ("http://127.0.0.1:99999", None, {}),
        (None, str(tmp_path / "absent"), {}),
        (None, str(tmp_path / "empty"), {}),
        (None, None, {"PITBOSS_KEY": "two words"}),
        (None, None, {"PITBOSS_KEY": "line\nbreak"}),
    ):
        with pytest.raises(BadUse) as refused:
            endpoint.find(url, key_file, environment, checkout)
        assert "\n" not in str(refused.value)


def test_events_are_read_as_the_specification_has_them() -> None:
    lines = [
        *(": hello", "retry: 1500", ""),
        *("id: 7", "event: round.started", 'data: {"table":', 'data: "A"}', ""),
        *("", ": still here", "", "event: broken", "data: {", ""),
        *("id: 9", "event: cut", 'data: {"never": "told"}'),
    ]
    assert list(parse(lines)) == [
        Pause(1.5),
        Event("7", "round.started", {"table": "A"}),
        Event("7", "broken", {}),
    ]
