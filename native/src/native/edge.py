"""The edge's door: the address nginx listens on, whether it speaks TLS, what one caller may."""

import ssl
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

from native.ports import LOOPBACK

RATE: Final = 500
"""Requests per second from one address; twice as many may come at once."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How the fleet is reached from outside."""

    bind: str = LOOPBACK
    certificate: Path | None = None
    key: Path | None = None
    rate: int = RATE

    @property
    def scheme(self) -> str:
        return "http" if self.certificate is None else "https"

    @property
    def host(self) -> str:
        """Where this machine reaches it: an address that stands for all is none to call."""
        address = ip_address(self.bind)
        if address.is_unspecified:
            return LOOPBACK
        return f"[{address}]" if isinstance(address, IPv6Address) else str(address)

    def url(self, port: int) -> str:
        return f"{self.scheme}://{self.host}:{port}"

    def listen(self, port: int) -> str:
        """Give the address as nginx writes it."""
        address = ip_address(self.bind)
        return f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"

    def listen_options(self, common: str) -> str:
        both = "ipv6only=off" if self.bind == "::" else ""
        return " ".join(filter(None, ("ssl" if self.certificate else "", both, common)))

    def trust(self) -> ssl.SSLContext:
        """Give what a client on this machine verifies: the very certificate that is served.

        It may be made out to a name that only the outside knows, so it is the certificate that
        counts and not the name in it.
        """
        if self.certificate is None:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nobody: nothing here speaks TLS
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


PLAIN: Final = Edge()
"""On loopback, without TLS."""
