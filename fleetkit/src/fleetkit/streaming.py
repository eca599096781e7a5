"""An answer that goes on: sent as it comes, given up when nobody takes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fleetkit import background, logs

log = logs.get(__name__)

MEDIA_TYPE: Final = "text/event-stream"
# Nothing may keep it back on the way: no cache, and no buffer of nginx's.
HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
# A part that is not taken in this time never will be.
SEND_S: Final = 30.0
# Once the stream was ended by us: time for its last words.
GRACE_S: Final = 3.0


class EventStream(Response):
    """Server-sent events; `ended` is set when we end them, should they be stuck on the way."""

    media_type = MEDIA_TYPE

    def __init__(self, parts: AsyncIterator[bytes], ended: asyncio.Event) -> None:
        super().__init__(headers=HEADERS, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._parts = parts
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_wait_left(receive))
        ending = asyncio.create_task(_wait(self._ended))
        try:
            await asyncio.wait({sending, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done() and not leaving.done():
                await asyncio.wait(
                    {sending, leaving}, timeout=GRACE_S, return_when=asyncio.FIRST_COMPLETED
                )
            if sending.done():
                sending.result()
        finally:
            await background.end(sending, leaving, ending)

    async def _send(self, send: Send) -> None:
        try:
            async for part in self._parts:
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            log.warning("stream_not_taken")
        finally:
            close = getattr(self._parts, "aclose", None)
            if close is not None:
                await close()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _wait_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
