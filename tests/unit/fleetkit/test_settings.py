from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from fleetkit import settings
from fleetkit.settings import Settings, load, split_bind


class GatewaySettings(Settings):
    inner_url: str
    inner_key: SecretStr
    gateways: int = 1


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in settings.KNOWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PITBOSS_DATABASE_URL", "postgresql://role:hidden@127.0.0.1/pitboss")
    monkeypatch.setenv("PITBOSS_INNER_URL", "http://127.0.0.1:8081")
    monkeypatch.setenv("PITBOSS_INNER_KEY", "hidden")
    return monkeypatch


def refusal(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        load(GatewaySettings)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_settings_are_read_and_frozen(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("PITBOSS_GATEWAYS", "2")
    environ.setenv("PITBOSS_STATE_DIR", "someone else's setting")
    loaded = load(GatewaySettings)
    assert loaded.gateways == 2
    assert loaded.inner_key.get_secret_value() == "hidden"
    assert loaded.log_level == "info"
    assert "hidden" not in repr(loaded)
    with pytest.raises(ValidationError):
        loaded.gateways = 3  # type: ignore[misc]


@pytest.mark.usefixtures("environ")
def test_kubernetes_own_variables_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE_SERVICE_PORT", "tcp://10.0.0.1:80")
    load(GatewaySettings)


def test_a_misspelt_name_is_refused_with_a_hint(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("PITBOSS_LOGLEVEL", "debug")
    environ.setenv("PITBOSS_XYZZY", "1")
    assert refusal(capsys) == [
        "PITBOSS_LOGLEVEL is not a setting. Did you mean PITBOSS_LOG_LEVEL?",
        "PITBOSS_XYZZY is not a setting.",
    ]


def test_each_problem_is_one_sentence_without_the_value(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.delenv("PITBOSS_INNER_URL")
    environ.setenv("PITBOSS_DATABASE_URL", "mysql://role:hidden@127.0.0.1/pitboss")
    environ.setenv("PITBOSS_GATEWAYS", "many")
    environ.setenv("PITBOSS_LOG_LEVEL", "loud")
    lines = refusal(capsys)
    assert len(lines) == 4
    assert "PITBOSS_INNER_URL is not set." in lines
    assert "PITBOSS_DATABASE_URL is wrong: must start with postgresql://." in lines
    assert not any("hidden" in line for line in lines)


def test_an_empty_value_is_no_value(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("PITBOSS_INNER_KEY", "")
    assert refusal(capsys) == ["PITBOSS_INNER_KEY is not set."]


def test_a_field_that_the_fleet_does_not_know_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="PITBOSS_COLOUR"):
        type("Odd", (Settings,), {"__annotations__": {"colour": str}})


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("host:65535", ("host", 65535))],
)
def test_an_address_is_split(text: str, address: tuple[str, int]) -> None:
    assert split_bind(text) == address


@pytest.mark.parametrize("text", ["", ":", "80", ":80", "host:", "host:x", "host:65536", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_bind(text)


def test_a_setting_may_stand_in_a_file(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file\n")
    environ.delenv("PITBOSS_INNER_KEY")
    environ.setenv("PITBOSS_INNER_KEY_FILE", str(tmp_path / "key"))
    assert load(GatewaySettings).inner_key.get_secret_value() == "from the file"


@pytest.mark.parametrize("content", [None, "", b"\xff"])
def test_a_file_that_can_not_be_used_is_named(
    environ: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | bytes | None,
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    environ.delenv("PITBOSS_INNER_KEY")
    environ.setenv("PITBOSS_INNER_KEY_FILE", str(path))
    (sentence,) = refusal(capsys)
    assert sentence.startswith(f"PITBOSS_INNER_KEY_FILE={path} ")


def test_a_setting_and_its_file_are_not_both_given(
    environ: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("PITBOSS_INNER_KEY_FILE", str(tmp_path / "key"))
    assert refusal(capsys) == [
        "PITBOSS_INNER_KEY and PITBOSS_INNER_KEY_FILE are both set; leave one of them out."
    ]
