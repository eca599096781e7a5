"""Answers as bytes: plain, gzipped, chunked, with or without keep-alive."""

import gzip
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from simulator.domain.faults import Plan

JSON = "application/json"
HTML_PAGE = (
    b"<!doctype html><html><head><title>Please wait</title></head>"
    b"<body><h1>We are back in a moment</h1></body></html>\n"
)
CHUNK = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body, before they are dressed for the wire."""

    status: int
    body: bytes
    content_type: str = JSON
    retry_after: str | None = None


def make_json(status: int, content: object) -> Answer:
    return Answer(status, orjson.dumps(content))


def _render_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_LINES = {int(status): _render_line(status) for status in HTTPStatus}
_PLAIN = b"content-type: application/json\r\ncontent-length: %d\r\n%s\r\n%s"
_CLOSE = b"connection: close\r\n"


def encode(answer: Answer, *, keep_alive: bool) -> bytes:
    if answer.content_type is JSON and answer.retry_after is None:
        line = _LINES.get(answer.status) or _render_line(answer.status)
        close = b"" if keep_alive else _CLOSE
        return line + _PLAIN % (len(answer.body), close, answer.body)
    return encode_dressed(answer, Plan(), keep_alive=keep_alive)


def encode_dressed(answer: Answer, plan: Plan, *, keep_alive: bool) -> bytes:
    body = answer.body
    headers = [f"content-type: {answer.content_type}"]
    if answer.retry_after is not None:
        headers.append(f"retry-after: {answer.retry_after}")
    if plan.gzip:
        body = gzip.compress(body, 1, mtime=0)
        headers.append("content-encoding: gzip")
    if plan.chunked:
        headers.append("transfer-encoding: chunked")
        body = _chunk(body)
    else:
        headers.append(f"content-length: {len(body)}")
    if not keep_alive or (plan.close and plan.announce):
        headers.append("connection: close")
    return b"".join(
        (_render_line(answer.status), "\r\n".join(headers).encode("latin-1"), b"\r\n\r\n", body)
    )


def encode_cut(answer: Answer) -> bytes:
    """Promise the whole body and give its first half."""
    whole = encode_dressed(answer, Plan(), keep_alive=True)
    return whole[: len(whole) - (len(answer.body) + 1) // 2]


def _chunk(body: bytes) -> bytes:
    parts = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
