"""The outgoing HTTP client: httpx's face on aiohttp's pool, which costs a fifth of the CPU."""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

KEEPALIVE_S: Final = 15.0
CHUNK: Final = 16 * 1024
_HEADERS: Final = {"user-agent": "pitboss", "accept-encoding": "gzip, deflate"}


class UntrustedError(httpx.ConnectError):
    """TCP connected, but no TLS that can be trusted came of it; nothing was sent."""


_EXACT: Final[tuple[tuple[type[BaseException], type[httpx.TransportError]], ...]] = (
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
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


def exact(error: Exception, request: httpx.Request | None = None) -> Exception:
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

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool itself, opened by whoever needs it first."""
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        return self.client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise exact(error, request) from error
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Body(response.stream, request)
        return response


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, whole, or as much of it as the caller wanted to read."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client(httpx.AsyncClient):
    """httpx's client, with a short way to its pool for the path of every command."""

    def __init__(self, transport: Transport, *, timeout: httpx.Timeout, cookies: CookieJar) -> None:
        super().__init__(
            transport=transport,
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            cookies=cookies,
        )
        self._pool = transport
        self._until_sent = aiohttp.ClientTimeout(sock_connect=timeout.connect, connect=timeout.pool)

    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, most: int
    ) -> Said:
        """Send, and read the answer up to a little more than `most` bytes.

        It does what a request does, and fails as one does, without the objects around it, which
        cost more than the call. How long it may take in all is for the caller to bound.
        """
        try:
            async with self._pool.session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                auto_decompress=False,
                timeout=self._until_sent,
            ) as response:
                return Said(response.status, response.headers, await _read(response, most))
        except (httpx.TransportError, aiohttp.ClientError) as error:
            raise exact(error) from error


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    chunks: AsyncIterator[bytes] = aiter(response.content.iter_chunked(CHUNK))
    if "content-encoding" in response.headers:
        packed = httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=AiohttpResponseStream(response),
        )
        chunks = packed.aiter_bytes()
    content = b""
    async for chunk in chunks:
        content += chunk
        if len(content) > most:
            break
    return content


def client(
    *,
    connect_s: float = 0.5,
    read_s: float = 5.0,
    write_s: float = 5.0,
    pool_s: float = 2.0,
    limit: int = 100,
    verify: bool | ssl.SSLContext = True,
) -> Client:
    """Build a client: no redirects, no proxies from the environment, no cookies kept.

    `pool_s` bounds waiting for a free connection and opening it, together.
    """
    context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=KEEPALIVE_S, ssl=context)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            trust_env=False,
        )

    return Client(
        Transport(client=session),
        timeout=httpx.Timeout(connect=connect_s, read=read_s, write=write_s, pool=pool_s),
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    )
