"""Where the fleet is and who asks: from options, the environment, or the checkout around us."""

import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv import dotenv_values

from pitboss_cli.refusals import BadUse

PORT: Final = "8080"
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One edge and the key for it."""

    url: str
    key: str
    certificate: Path | None = None  # of the checkout's own edge

    @property
    def is_local(self) -> bool:
        return _is_local(self.url)

    def trust(self) -> ssl.SSLContext | bool:
        """Verify by the usual authorities; of our own edge, the very certificate it serves."""
        if self.certificate is None:
            return True
        try:
            context = ssl.create_default_context(cafile=str(self.certificate))
        except OSError as error:
            raise BadUse(f"{self.certificate} can't be read: {error}.") from error
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _find_checkout(folder: Path) -> Path | None:
    for place in (folder, *folder.parents):
        if (place / "manage.sh").is_file() and (place / "native").is_dir():
            return place
    return None


def _read_checkout(root: Path | None) -> dict[str, str]:
    if root is None:
        return {}
    written = dotenv_values(root / ".env", interpolate=False)
    return {name: text for name, text in written.items() if text}


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise BadUse(f"{url!r} is no address; write it like http://127.0.0.1:8080")
    return url.rstrip("/")


def _check_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadUse("The key is wrong: it is one word of ASCII characters.")
    return key


def _read_key(path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadUse(f"The key file {path} can't be read: {error}.") from error
    if not text.strip():
        raise BadUse(f"The key file {path} is empty.")
    return text.strip()


def find(
    url: str | None, key_file: str | None, environment: Mapping[str, str], folder: Path
) -> Endpoint:
    """Settle address and key; a checkout's own key goes to this machine only."""
    root = _find_checkout(folder)
    given = {name: text for name, text in environment.items() if text}
    around = _read_checkout(root) | given
    own = _own_address(around)
    address = _check_url(url or given.get("PITBOSS_URL") or own)
    key = _read_key(key_file) if key_file else given.get("PITBOSS_KEY")
    if not key and (address == own or _is_local(address)):
        key = around.get("PITBOSS_ADMIN_KEY")
    if not key:
        raise BadUse("There is no key: set PITBOSS_KEY, or name a file with --key-file.")
    certificate = _own_certificate(around, root) if address == own else None
    return Endpoint(address, _check_key(key), certificate)


def _own_address(around: Mapping[str, str]) -> str:
    scheme = "https" if "PITBOSS_TLS_CERT" in around else "http"
    bind = around.get("PITBOSS_EDGE_BIND", LOOPBACK)
    if bind in {"0.0.0.0", "::"}:  # noqa: S104  # it stands for all, so it is none to call
        bind = LOOPBACK
    host = f"[{bind}]" if ":" in bind else bind
    return f"{scheme}://{host}:{around.get('PITBOSS_PORT', PORT)}"


def _own_certificate(around: Mapping[str, str], root: Path | None) -> Path | None:
    given = around.get("PITBOSS_TLS_CERT")
    if given is None or root is None:
        return None
    return (root / Path(given).expanduser()).absolute()
