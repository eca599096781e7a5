"""The outgoing HTTP client: httpx's face on aiohttp's pool, which costs a fifth of the CPU."""

import ssl
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

KEEPALIVE_S: Final = 15.0


class UntrustedError(httpx.ConnectError):
    """TCP connected, but no TLS that can be trusted came of it; nothing was sent."""


_EXACT: Final[tuple[tuple[type[BaseException], type[httpx.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorCertificateError, UntrustedError),
    (aiohttp.ClientSSLError, UntrustedError),
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientConnectionResetError, httpx.WriteError),
    (aiohttp.ClientOSError, httpx.ReadError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
)


def exact(error: Exception, request: httpx.Request) -> Exception:
    """Name the failure by what aiohttp said.

    The transport's own table calls every lost connection a ConnectTimeout, also one lost after
    the request was sent; whoever decides whether a repeat is safe must not believe that.
    """
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    for seen, named in _EXACT:
        if isinstance(cause, seen):
            said = _say_tls(cause) if named is UntrustedError else str(cause)
            return named(said or type(cause).__name__, request=request)
    return error


def _say_tls(cause: BaseException | None) -> str:
    """Give OpenSSL's reason without the library's decoration around it."""
    reason = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause
    words = getattr(reason, "verify_message", None) or getattr(reason, "reason", None)
    return str(words or reason).strip().rstrip(".")


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the authorities httpx knows, and those in the file."""
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, request: httpx.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise exact(error, self._request) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class Transport(AiohttpTransport):
    """aiohttp's pool with failures named exactly."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise exact(error, request) from error
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Body(response.stream, request)
        return response


def client(
    *,
    connect_s: float = 0.5,
    read_s: float = 5.0,
    write_s: float = 5.0,
    pool_s: float = 2.0,
    limit: int = 100,
    verify: bool | ssl.SSLContext = True,
) -> httpx.AsyncClient:
    """Build a client: no redirects, no proxies from the environment, no cookies kept.

    `pool_s` bounds waiting for a free connection and opening it, together.
    """
    context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=KEEPALIVE_S, ssl=context)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    return httpx.AsyncClient(
        transport=Transport(client=session),
        timeout=httpx.Timeout(connect=connect_s, read=read_s, write=write_s, pool=pool_s),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    )
