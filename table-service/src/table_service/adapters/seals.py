"""Sessions at rest: sealed in Redis and in its file on disk; the pool's replicas have the key."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12
_PURPOSE: Final = b"pitboss session tokens"


class Seal:
    """Seals a token for one place: moved elsewhere, or changed, it does not open."""

    def __init__(self, key: str) -> None:
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=_PURPOSE).derive(key.encode())
        self._cipher = AESGCM(derived)

    def close(self, token: str, place: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, token.encode(), place.encode())

    def open(self, sealed: bytes | None, place: str) -> str | None:
        """Give the token; None for what another key sealed, as after that key was changed."""
        if sealed is None or len(sealed) <= _NONCE:
            return None
        try:
            opened = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except InvalidTag:
            return None
        return opened.decode()
