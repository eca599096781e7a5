"""The edge as the operator sets it: its address, its certificate, what it says when set wrongly."""

import re
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

Fleet = Any


def test_a_fleet_with_a_certificate_of_its_own(bare_fleet: Fleet) -> None:
    said = bare_fleet.run("tls", "studio.example", "192.0.2.7")
    assert said.code == 0, said
    made = dict(re.findall(r"(?m)^(PITBOSS_TLS_\w+)=(.+)$", said.out))
    assert set(made) == {"PITBOSS_TLS_CERT", "PITBOSS_TLS_KEY"}
    bare_fleet.settings |= {**made, "PITBOSS_EDGE_BIND": "0.0.0.0"}  # noqa: S104  # what is tested
    up = bare_fleet.run("up")
    assert up.code == 0, up
    url = f"https://127.0.0.1:{bare_fleet.port}"
    assert url in up.out
    assert f"edge: {url}" in bare_fleet.run("status").out
    trust = ssl.create_default_context(cafile=str(bare_fleet.state / "tls" / "ca.pem"))
    with httpx.Client(base_url=url, verify=trust, trust_env=False) as client:
        assert client.post("/v1/x", content="{}").status_code == httpx.codes.OK
    with httpx.Client(base_url=url.replace("https", "http"), trust_env=False) as client:
        assert client.post("/v1/x", content="{}").json()["code"] == "https_only"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"PITBOSS_EDGE_BIND": "everywhere"}, "PITBOSS_EDGE_BIND=everywhere is wrong"),
        ({"PITBOSS_TLS_CERT": "/nowhere.pem"}, "is no file"),
        ({"PITBOSS_TLS_CERT": __file__}, "go together"),
        ({"PITBOSS_EDGE_RATE": "0"}, "PITBOSS_EDGE_RATE=0 is wrong"),
    ],
)
def test_a_wrong_edge_is_one_sentence(
    bare_fleet: Fleet, settings: dict[str, str], says: str
) -> None:
    said = bare_fleet.run("up", **settings)
    assert said.code == 2, said
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_name_that_is_none_is_refused(bare_fleet: Fleet) -> None:
    said = bare_fleet.run("tls", "no name")
    assert (said.code, said.out) == (2, "")
    assert not Path(bare_fleet.state / "tls").exists()
