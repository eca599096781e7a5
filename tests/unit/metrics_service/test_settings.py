import pytest

from metrics_service.settings import load

NEEDED = {
    "PITBOSS_DATABASE_URL": "postgresql://somebody@db.example/pitboss",
    "PITBOSS_ADMIN_KEY": "a-key",
}


@pytest.fixture(autouse=True)
def _needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_the_documented_defaults() -> None:
    settings, tuning = load()
    assert (tuning.window_size, tuning.agg_interval) == (60, 5)
    assert (tuning.p95_threshold, tuning.error_threshold) == (500, 0.05)
    assert settings.bus == settings.redis_url.get_secret_value()


def test_the_documented_names_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPS_RABBITMQ_URL", "amqp://mq.example/")
    monkeypatch.setenv("MPS_POSTGRES_URL", "postgresql://other@db.example/metrics")
    monkeypatch.setenv("MPS_WINDOW_SIZE", "120")
    settings, tuning = load()
    assert settings.bus == "amqp://mq.example/"
    assert settings.database_url.get_secret_value().endswith("/metrics")
    assert tuning.window_size == 120


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MPS_P95_TRESHOLD", "1", "MPS_P95_TRESHOLD is not a setting. Did you mean MPS_P95_THR"),
        ("MPS_AGG_INTERVAL", "7", "MPS_AGG_INTERVAL is wrong: must go into a minute"),
        ("MPS_ERROR_THRESHOLD", "2", "MPS_ERROR_THRESHOLD is wrong: input should be less than"),
        ("MPS_RABBITMQ_URL", "http://mq.example", "must start with redis:// or amqp://"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
