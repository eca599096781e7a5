"""Fault documents: read from control calls and shown in answers."""

from email.utils import parsedate_to_datetime

from simulator.control.reading import Fields, WrongInputError, check_name
from simulator.domain.calls import OPERATIONS
from simulator.domain.faults import SHAPES, Armed, Fault, Kind

LONGEST_MS = 3_600_000.0
# The fields each kind takes beside those that say where and how often it strikes.
PARAMETERS: dict[Kind, tuple[str, ...]] = {
    Kind.LATENCY: ("distribution", "ms", "to_ms", "sigma", "effect"),
    Kind.HANG: ("effect",),
    Kind.STATUS: ("status", "code", "message", "effect"),
    Kind.HTML: ("effect",),
    Kind.EMPTY: ("effect",),
    Kind.CUT: ("effect",),
    Kind.TRICKLE: ("ms",),
    Kind.RETRY_AFTER: ("value", "status", "message"),
    Kind.CLOSE: ("announce",),
}
AFTER_BY_DEFAULT = frozenset({Kind.RESET_AFTER, Kind.CUT, *SHAPES})
STATUSES = {Kind.RETRY_AFTER: 429, Kind.STATUS: 503}


def read_fault(raw: bytes) -> Fault:
    fields = Fields(raw)
    named = fields.take_choice("kind", [kind.value for kind in Kind])
    if named is None:
        raise WrongInputError(f"kind is missing: one of {', '.join(Kind)}.")
    kind = Kind(named)
    for name in ("distribution", "ms", "to_ms", "sigma", "effect", "status", "code", "message"):
        _refuse_foreign(fields, kind, name)
    for name in ("value", "announce"):
        _refuse_foreign(fields, kind, name)
    environment = fields.take_text("environment")
    table = fields.take_text("table")
    probability = fields.take_number("probability", 0, 1)
    distribution = fields.take_choice("distribution", ["fixed", "uniform", "lognormal"]) or "fixed"
    ms = _read_ms(fields, kind)
    sigma = fields.take_number("sigma", 0, 5)
    announce = fields.take_flag("announce")
    fault = Fault(
        kind,
        environment=None
        if environment is None
        else check_name(environment, "environment name").upper(),
        table=None if table is None else check_name(table, "table code"),
        operation=fields.take_choice("operation", sorted(OPERATIONS)),
        probability=1.0 if probability is None else probability,
        count=fields.take_whole("count", 1, 1_000_000_000),
        seed=fields.take_whole("seed", 0, 2**63 - 1),
        after_effect=_read_effect(fields, kind),
        distribution=distribution,
        ms=ms,
        to_ms=_read_to_ms(fields, distribution, ms),
        sigma=0.5 if sigma is None else sigma,
        status=fields.take_whole("status", 200, 599) or STATUSES.get(kind, 503),
        code=fields.take_whole("code", 1, 99_999),
        message=fields.take_text("message") or "injected fault",
        value=_read_value(fields),
        announce=announce is not False,
    )
    fields.end()
    return fault


def show_fault(armed: Armed) -> dict[str, object]:
    fault = armed.fault
    shown: dict[str, object] = {
        "fault": armed.number,
        "kind": fault.kind,
        "environment": fault.environment,
        "table": fault.table,
        "operation": fault.operation,
        "probability": fault.probability,
        "count": fault.count,
        "seed": fault.seed,
        "struck": armed.struck,
    }
    for name in PARAMETERS.get(fault.kind, ()):
        if name == "effect":
            shown[name] = "after" if fault.after_effect else "before"
        else:
            shown[name] = getattr(fault, name)
    return shown


def _refuse_foreign(fields: Fields, kind: Kind, name: str) -> None:
    if name in fields and name not in PARAMETERS.get(kind, ()):
        raise WrongInputError(f"{kind} takes no {name}.")


def _read_ms(fields: Fields, kind: Kind) -> float:
    ms = fields.take_number("ms", 0, LONGEST_MS)
    if ms is not None:
        return ms
    if kind in (Kind.LATENCY, Kind.TRICKLE):
        raise WrongInputError(f"{kind} needs ms.")
    return 0.0


def _read_to_ms(fields: Fields, distribution: str, ms: float) -> float:
    to_ms = fields.take_number("to_ms", 0, LONGEST_MS)
    if distribution != "uniform":
        if to_ms is not None:
            raise WrongInputError("to_ms belongs to the uniform distribution.")
        return ms
    if to_ms is None or to_ms < ms:
        raise WrongInputError("uniform needs to_ms, not below ms.")
    return to_ms


def _read_effect(fields: Fields, kind: Kind) -> bool:
    value = fields.take("effect")
    if value is None:
        return kind in AFTER_BY_DEFAULT
    if value in ("before", "after"):
        return value == "after"
    if isinstance(value, bool):
        return value
    raise WrongInputError('effect must be "before" or "after" (or false or true).')


def _read_value(fields: Fields) -> str:
    value = fields.take("value")
    if value is None:
        return "1"
    if type(value) is int and value >= 0:
        return str(value)
    if isinstance(value, str) and value.isascii() and value.isprintable() and len(value) < 64:  # noqa: PLR2004 longer than any HTTP date
        if value.isdigit():
            return value
        try:
            parsedate_to_datetime(value)
        except ValueError:
            pass
        else:
            return value
    raise WrongInputError("value must be a number of seconds or an HTTP date.")
