"""The edge with TLS: who is let in how, and by which certificate."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from integration.nginx.doors import Doors, opened, serving
from native import certificates
from native.edge import Edge


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    folder = tmp_path_factory.mktemp("tls") / "a folder"
    return certificates.write(folder, ["edge.studio.example", "127.0.0.1"])


@pytest.fixture
async def doors(tmp_path: Path, files: certificates.Files) -> AsyncIterator[Doors]:
    door = Edge(certificate=files.certificate, key=files.key)
    async with (
        serving() as port,
        opened(tmp_path, {"gateway": [port]}, door, trusting(files.authority)) as opened_doors,
    ):
        yield opened_doors


async def test_calls_come_in_by_https(doors: Doors) -> None:
    answer = await doors.edge.post("/v1/x", content="{}")
    assert answer.status_code == httpx.codes.OK
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    refused = await doors.edge.get("/metrics")
    assert refused.headers["strict-transport-security"] == "max-age=31536000"


async def test_this_machine_trusts_the_certificate_that_is_served_and_no_other(
    doors: Doors, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(
        base_url=doors.edge.base_url, verify=doors.server.edge.trust()
    ) as client:
        assert (await client.get("/v1/x")).status_code == httpx.codes.OK
    other = certificates.write(tmp_path, ["127.0.0.1"])
    for trust in (trusting(other.authority), Edge(certificate=other.certificate).trust(), True):
        async with httpx.AsyncClient(base_url=doors.edge.base_url, verify=trust) as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get("/v1/x")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_protocols_are_refused(doors: Doors, files: certificates.Files) -> None:
    old = trusting(files.authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with httpx.AsyncClient(base_url=doors.edge.base_url, verify=old) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/v1/x")


async def test_plain_http_leads_a_page_on_and_refuses_a_call(doors: Doors) -> None:
    plain = f"http://127.0.0.1:{doors.server.edge_port}"
    async with httpx.AsyncClient(base_url=plain) as client:
        led = await client.get("/docs?a=1")
        assert led.status_code == httpx.codes.PERMANENT_REDIRECT
        assert led.headers["location"] == f"https://127.0.0.1:{doors.server.edge_port}/docs?a=1"
        refused = await client.post("/v1/x", content="{}")
        assert refused.status_code == httpx.codes.BAD_REQUEST
        assert refused.json()["code"] == "https_only"
        assert refused.headers["content-type"] == "application/problem+json"


async def test_the_key_is_for_our_own_eyes(files: certificates.Files) -> None:
    assert files.key.stat().st_mode & 0o077 == 0


async def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    async with (
        serving() as port,
        opened(tmp_path, {"gateway": [port]}, Edge(bind="::")) as doors,
    ):
        for host in ("127.0.0.1", "[::1]"):
            url = f"http://{host}:{doors.server.edge_port}/v1/x"
            assert (await doors.edge.get(url)).status_code == httpx.codes.OK
