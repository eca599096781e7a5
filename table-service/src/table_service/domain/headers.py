"""The headers of a Table API call, built in this one place, by the environment's header profile."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call is signed with; none of it is ever printed."""

    signature: str | None = field(default=None, repr=False)
    table_token: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)


def build(
    operation: str, credentials: Credentials, *, now: datetime, timecode_offset_ms: int
) -> dict[str, str]:
    """Build the profile `los`: a header literally named Bearer; its value differs by operation."""
    headers = {"accept": "application/json", "content-type": "application/json"}
    if credentials.signature is not None:
        headers["x-signature"] = credentials.signature
    if credentials.session is not None:
        headers["Cookie"] = f"accessToken={credentials.session}"
    if credentials.table_token is not None:
        token = credentials.table_token
        headers["Bearer"] = f"Bearer {token}" if operation in ("start", "get") else token
    if operation == "deal":
        moment = now + timedelta(milliseconds=timecode_offset_ms)
        headers["timecode"] = str(int(moment.timestamp() * 1000))
    return headers
