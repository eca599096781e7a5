"""Temporal's worker: a durable fan-out of calls, `python -m bench.temporal_worker ADDRESS`."""

import asyncio
import sys
from datetime import timedelta

import aiohttp
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn
class FanOut:
    """Calls all tables at once; each call is an activity, recorded before and after."""

    @workflow.run
    async def run(self, urls: list[str]) -> list[int]:
        calls = (
            workflow.execute_activity("call", url, start_to_close_timeout=timedelta(seconds=10))
            for url in urls
        )
        return list(await asyncio.gather(*calls))


async def work(address: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        @activity.defn
        async def call(url: str) -> int:
            async with session.post(url, data=b"{}") as answer:
                await answer.read()
                return answer.status

        await Worker(
            await Client.connect(address),
            task_queue="bench",
            workflows=[FanOut],
            activities=[call],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ).run()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
