import os
import re
from pathlib import Path

import pytest

from fleetkit import errors
from table_service.adapters.seals import Seal
from table_service.adapters.secrets import LARGEST, Secrets


def age(path: Path, seconds: int = 60) -> None:
    then = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(then, then))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a token"
    made.write_text("first-token\n")
    age(made)
    return made


def test_no_reference_is_no_secret() -> None:
    assert Secrets().read(None) is None


def test_a_file_is_read_when_used_and_again_when_it_is_replaced(path: Path) -> None:
    secrets = Secrets()
    assert secrets.read(f"file:{path}") == "first-token"
    draft = path.with_name("draft")
    draft.write_text("other-token\n")
    stamp = path.stat().st_mtime_ns
    os.utime(draft, ns=(stamp, stamp))
    draft.replace(path)
    assert secrets.read(f"file:{path}") == "other-token"


def test_a_file_rewritten_within_one_tick_of_its_clock_is_read_again(path: Path) -> None:
    secrets = Secrets()
    path.write_text("token-one\n")
    stamp = path.stat().st_mtime_ns
    assert secrets.read(f"file:{path}") == "token-one"
    path.write_text("token-two\n")
    os.utime(path, ns=(stamp, stamp))
    assert secrets.read(f"file:{path}") == "token-two"


def test_a_link_that_is_turned_is_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "newer"
    other.write_text("newer-token")
    age(other)
    link, draft = tmp_path / "link", tmp_path / "draft"
    link.symlink_to(path)
    secrets = Secrets()
    assert secrets.read(f"file:{link}") == "first-token"
    draft.symlink_to(other)
    draft.replace(link)
    assert secrets.read(f"file:{link}") == "newer-token"


def test_a_file_that_is_gone_is_told_and_found_when_it_is_back(path: Path) -> None:
    secrets = Secrets()
    assert secrets.read(f"file:{path}") == "first-token"
    kept = path.rename(path.with_name("kept"))
    with pytest.raises(errors.Unavailable, match="No such file") as told:
        secrets.read(f"file:{path}")
    assert told.value.code == "secret_missing"
    kept.rename(path)
    assert secrets.read(f"file:{path}") == "first-token"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "secret_unusable", "empty"),
        (b" \n", "secret_unusable", "empty"),
        (b"planted\nsecret", "secret_unusable", "one line"),
        (b"planted\rsecret", "secret_unusable", "one line"),
        (b"planted\0secret", "secret_unusable", "one line"),
        ("planted-é".encode(), "secret_unusable", "one line"),
        (b"planted\xff", "secret_missing", "no text"),
        (b"planted" * LARGEST, "secret_unusable", "larger"),
    ],
)
def test_what_no_header_can_carry_is_refused_without_a_word_of_it(
    path: Path, content: bytes, code: str, says: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(errors.Unavailable, match=says) as told:
        Secrets().read(f"file:{path}")
    assert told.value.code == code
    assert "planted" not in told.value.detail
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ""):
        with pytest.raises(errors.Unavailable, match="is no file"):
            Secrets().read(f"file:{tmp_path / name}")


def test_a_variable_is_read_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets()
    with pytest.raises(errors.Unavailable, match=re.escape("env:PRD_SIGNATURE")) as told:
        secrets.read("env:PRD_SIGNATURE")
    assert told.value.code == "secret_missing"
    monkeypatch.setenv("PRD_SIGNATURE", "a-signature")
    assert secrets.read("env:PRD_SIGNATURE") == "a-signature"


def test_the_fleets_own_secrets_are_sent_to_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITBOSS_INNER_KEY", "planted")
    with pytest.raises(errors.Unavailable) as told:
        Secrets().read("env:PITBOSS_INNER_KEY")
    assert told.value.code == "secret_unusable"


def test_nothing_of_a_secret_is_in_what_is_printed(path: Path) -> None:
    secrets = Secrets()
    secrets.read(f"file:{path}")
    assert "first-token" not in repr(vars(secrets))


def test_a_seal_opens_with_its_key_at_its_place_and_nowhere_else() -> None:
    seal = Seal("inner-key")
    sealed = seal.close("token", "PRD/ARO-001")
    assert b"token" not in sealed
    assert sealed != seal.close("token", "PRD/ARO-001")
    assert seal.open(sealed, "PRD/ARO-001") == "token"
    assert Seal("inner-key").open(sealed, "PRD/ARO-001") == "token"
    assert Seal("other-key").open(sealed, "PRD/ARO-001") is None
    assert seal.open(sealed, "PRD/ARO-002") is None
    assert seal.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "PRD/ARO-001") is None
    for junk in (None, b"", b"token", b"x" * 40):
        assert seal.open(junk, "PRD/ARO-001") is None
