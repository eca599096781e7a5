"""Readers of events: many, slow, limited, or asking for what there is not."""

import asyncio
import socket
from contextlib import AsyncExitStack

import httpx

from integration.gateway.newsroom import ADMIN_KEY, Newsroom, numbers
from ledger.domain.feed import TYPES
from listening import Listening


async def test_who_does_not_read_is_cut_off_and_keeps_nobody_waiting(newsroom: Newsroom) -> None:
    async with newsroom.gateway() as client:
        await newsroom.write(1)
        await newsroom.all_told()
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.setblocking(False)  # noqa: FBT003
            loop = asyncio.get_running_loop()
            await loop.sock_connect(idle, (client.base_url.host, client.base_url.port))
            request = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
            await loop.sock_sendall(idle, f"{request}\r\n".encode())
            assert (await loop.sock_recv(idle, 12)).startswith(b"HTTP/1.1 200")
            async with Listening.open(client, types="config.changed") as listening:
                # More than all buffers on the way and the idle reader's own queue together, and
                # never more at once than one that reads may have before it.
                for told in range(5, 105, 5):
                    await newsroom.write(5, data={"filling": "x" * 120_000})
                    await listening.wait_for(told, within_s=60)
                assert numbers(listening) == [*range(2, 102)]
                counted = 'pitboss_event_readers_ended_total{reason="too_slow"}'
                shown = (await client.get("/metrics")).text
                line = next(one for one in shown.splitlines() if one.startswith(counted))
                assert float(line.rpartition(" ")[2]) >= 1
                assert listening.comments == []


async def test_five_hundred_readers_are_told_by_one_gateway(newsroom: Newsroom) -> None:
    async with newsroom.gateway() as client, AsyncExitStack() as stack:
        request = (
            "GET /v1/events?types=config.changed HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {ADMIN_KEY}\r\n\r\n"
        )
        streams = []
        for _ in range(500):
            reader, writer = await asyncio.open_connection(
                client.base_url.host, client.base_url.port
            )
            stack.callback(writer.close)
            writer.write(request.encode())
            streams.append(reader)
        await asyncio.gather(*(reader.readuntil(b"retry: 1000") for reader in streams))
        await newsroom.write(3)

        async def told(reader: asyncio.StreamReader) -> list[bytes]:
            return [(await reader.readuntil(b"}\n\n")).partition(b"data: ")[2] for _ in range(3)]

        async with asyncio.timeout(60):
            every = await asyncio.gather(*(told(reader) for reader in streams))
        assert all(one == every[0] for one in every)
        assert [b'"number":%d' % n in every[0][n - 1] for n in (1, 2, 3)] == [True] * 3


async def test_a_gateway_that_stops_says_so_and_when_to_come_back(newsroom: Newsroom) -> None:
    async with newsroom.gateway() as client, Listening.open(client) as listening:
        newsroom.apps["gateway-1"].state.readiness.draining = True
        await listening.wait_over()
        assert listening.failure is None
        assert listening.comments[-1].startswith("ended, stopping: ")
        assert listening.retry[-1] >= 1000
        answer = await client.get("/v1/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "gateway_stopping")


async def test_a_limited_key_is_told_of_its_own_until_it_is_revoked(newsroom: Newsroom) -> None:
    async with newsroom.gateway() as client:
        body = {"name": "desk", "role": "viewer", "tables": ["ARO-001"], "environments": ["PRD"]}
        made = (await client.post("/v1/keys", json=body)).json()
        theirs = {"authorization": f"Bearer {made['key']}"}
        async with (
            httpx.AsyncClient(base_url=client.base_url, headers=theirs, timeout=20) as limited,
            Listening.open(limited) as listening,
        ):
            legs = [{"environment": name, "game_code": "ARO-001"} for name in ("CIT", "PRD")]
            await newsroom.write(type="round.started", table="ARO-001", data={"legs": legs})
            await newsroom.write(table="ARO-001", environment="CIT")
            await newsroom.write(table="ARO-002", environment="PRD")
            await newsroom.write()
            await newsroom.write(table="ARO-001", environment="PRD")
            await listening.wait_for(2)
            assert numbers(listening) == [1, 5]
            assert listening.events[0]["data"]["legs"] == legs[1:]
            async with Listening.open(limited, last=0) as again:
                await again.wait_for(2)
                assert again.events == listening.events
            for query, code in (
                ({"table": "ARO-002"}, "table_not_allowed"),
                ({"environment": "PRD,CIT"}, "environment_not_allowed"),
            ):
                refused = await limited.get("/v1/events", params=query)
                assert (refused.status_code, refused.json()["code"]) == (403, code)
            assert (await client.delete(f"/v1/keys/{made['id']}")).is_success
            await listening.wait_over()
            assert listening.comments[-1].startswith("ended, key no longer valid: ")


async def test_what_was_not_asked_for_is_not_told(newsroom: Newsroom) -> None:
    async with (
        newsroom.gateway() as client,
        Listening.open(client, table="ARO-001, ARO-002", environment="PRD") as listening,
    ):
        await newsroom.write(type="alert.raised", table="ARO-003", environment="PRD")
        await newsroom.write(type="alert.raised", table="ARO-001", environment="CIT")
        await newsroom.write(type="alert.raised", environment="PRD")
        await newsroom.write(type="alert.raised", table="ARO-002", environment="PRD")
        await newsroom.write(type="round.started", table="ARO-001", data={"legs": []})
        await listening.wait_for(2)
        assert numbers(listening) == [4, 5]


async def test_what_is_asked_wrongly_is_named(newsroom: Newsroom) -> None:
    async with newsroom.gateway() as client:
        await newsroom.write(1)
        await newsroom.all_told()
        for query, last, code, field in (
            ({"types": "round.started,round.begun"}, None, "unknown_event_type", "query.types"),
            ({"types": ""}, None, "invalid", "query.types"),
            ({"table": "ARO-001,"}, None, "invalid", "query.table"),
            ({}, "yesterday", "bad_last_event_id", "header.last-event-id"),
            ({}, "-1", "bad_last_event_id", "header.last-event-id"),
            ({}, "1" * 30, "bad_last_event_id", "header.last-event-id"),
            ({"last_event_id": "x"}, None, "bad_last_event_id", "query.last_event_id"),
            ({}, "999999", "future_event_id", "header.last-event-id"),
        ):
            headers = {} if last is None else {"last-event-id": last}
            answer = await client.get("/v1/events", params=query, headers=headers)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (422, code), query
            assert problem["field"] == field
        assert "round.begun" in (await client.get("/v1/events?types=round.begun")).json()["detail"]
        nobody = await client.get("/v1/events", headers={"authorization": ""})
        assert nobody.status_code == 401
        described = (await client.get("/openapi.json")).json()["paths"]["/v1/events"]["get"]
        assert list(described["responses"]["200"]["content"]) == ["text/event-stream"]
        assert all(one in str(described["parameters"]) for one in TYPES)
