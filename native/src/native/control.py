"""How the command line speaks with the supervisor: one line of JSON there, lines of JSON back."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from native.refusals import BY_CODE, NotRunning, Refusal

log = structlog.get_logger()

_CONNECT_SECONDS: Final = 5.0

Say = Callable[[str], None]
Handler = Callable[[dict[str, Any], Say], Awaitable[dict[str, Any]]]


async def serve(path: Path, handle: Handler) -> asyncio.AbstractServer:
    """Answer requests: progress as it comes, then the answer; the folder keeps others out."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(message: dict[str, Any]) -> None:
            with contextlib.suppress(ConnectionError):
                writer.write(json.dumps(message).encode() + b"\n")

        try:
            line = await reader.readline()
            if not line:
                return
            request = json.loads(line)
            send({"answer": await handle(request, lambda text: send({"said": text}))})
        except Refusal as refusal:
            send({"refused": str(refusal), "code": refusal.code})
        except Exception as error:
            log.exception("request_failed")
            send({"refused": f"The supervisor stumbled: {error!r}; see its log.", "code": 1})
        finally:
            with contextlib.suppress(ConnectionError):
                await writer.drain()
                writer.close()

    return await asyncio.start_unix_server(answer, path)


def _lines(path: Path, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(str(path))
            connection.settimeout(None)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                for line in stream:
                    yield json.loads(line)
    except (OSError, TimeoutError) as error:
        raise NotRunning("The fleet is not running; start it with: ./manage.sh up") from error


def answers(path: Path) -> bool:
    """Tell whether a supervisor listens there."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
    except OSError:
        return False
    return True


def ask(path: Path, request: dict[str, Any], say: Say = lambda _: None) -> dict[str, Any]:
    """Send a request, pass its progress on, give the answer."""
    for line in _lines(path, request):
        if "said" in line:
            say(str(line["said"]))
        elif "refused" in line:
            raise BY_CODE.get(int(line["code"]), Refusal)(str(line["refused"]))
        else:
            answer: dict[str, Any] = line["answer"]
            return answer
    raise Refusal("The supervisor ended in the middle of it; see: ./manage.sh logs supervisor")
