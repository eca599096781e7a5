"""TLS to the Table APIs: verified, by the authorities we are told of."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from integration.tlsfront import fronting
from ledger.domain.commands import Kind
from native import certificates
from table_service.settings import Settings

Desk = Any


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    return certificates.write(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


@pytest.fixture
async def port(desk: Desk, files: certificates.Files) -> AsyncIterator[int]:
    async with fronting(desk.sim.port, files) as port:
        yield port


def address(desk: Desk, port: int, host: str = "127.0.0.1") -> str:
    return f"https://{host}:{port}/{desk.world.lower()}/v2/service"


async def test_a_table_api_is_trusted_by_the_authority_we_are_told_of(
    desk: Desk, port: int, files: certificates.Files
) -> None:
    await desk.configure(base_url=address(desk, port))
    async with desk.replica(ca_file=str(files.authority)) as client:
        round_id = await desk.opened(client)
    assert (await desk.delivery(round_id, Kind.START))["state"] == "accepted"


@pytest.mark.parametrize("way", ["no authority", "another authority", "another name", "no TLS"])
async def test_where_trust_fails_nothing_is_sent_and_the_code_says_so(
    desk: Desk, port: int, files: certificates.Files, tmp_path: Path, way: str
) -> None:
    host, at, given = "127.0.0.1", port, {}
    if way == "another authority":
        given["ca_file"] = str(certificates.write(tmp_path, ["127.0.0.1"]).authority)
    elif way == "another name":
        given["ca_file"], host = str(files.authority), "localhost"
    elif way == "no TLS":
        at = desk.sim.port
    asked = desk.asked("sessions")
    await desk.configure(base_url=address(desk, at, host))
    written = await desk.start(deadline_s=60)
    async with desk.replica(**given) as client:
        await desk.hand(client, written.leases)
        made = await desk.attempts(written.leases[0].round_id, Kind.START)
    assert {(each["outcome"], each["code"]) for each in made} == {("not_sent", "tls_failed")}
    assert "SSLContext" not in made[0]["detail"]
    assert "_ssl.c" not in made[0]["detail"]
    assert desk.asked("sessions") == asked


async def test_verification_can_be_left_out(desk: Desk, port: int) -> None:
    await desk.configure(base_url=address(desk, port), verify_tls=False)
    async with desk.replica() as client:
        round_id = await desk.opened(client)
    assert (await desk.delivery(round_id, Kind.START))["state"] == "accepted"


def test_a_file_without_authorities_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(ValidationError, match="must be a file of certificates"):
            Settings(
                database_url=SecretStr("postgresql://x"),
                environment="CIT",
                inner_key=SecretStr("x"),
                ca_file=str(tmp_path / name),
            )
