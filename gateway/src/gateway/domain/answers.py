"""The status code of a command's answer: as honest as the outcome it carries."""

from ledger.domain.commands import Kind
from ledger.domain.rounds import Round, RoundOutcome

CREATED, OK, ACCEPTED, MULTI, BAD_GATEWAY = 201, 200, 202, 207, 502


def status(round_: Round, kind: Kind) -> int:
    return of(round_.outcome, whole=CREATED if kind is Kind.START else OK)


def of(outcome: RoundOutcome, *, whole: int = OK) -> int:
    return {
        "complete": whole,
        "partial": MULTI,
        "pending": ACCEPTED,
        "failed": BAD_GATEWAY,
    }[outcome]
