"""Whether somebody listens at an address: asked when it is configured, never on a round's path."""

import asyncio
import socket
from urllib.parse import urlsplit

ALLOWED_S = 0.5


async def why_unreachable(base_url: str) -> str | None:
    """Give the reason why no connection can be made from here; None when one can."""
    url = urlsplit(base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        async with asyncio.timeout(ALLOWED_S):
            _, writer = await asyncio.open_connection(url.hostname, port)
    except TimeoutError:
        return "no answer"
    except socket.gaierror:
        return "no such host"
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or "no connection"
    writer.close()
    return None
