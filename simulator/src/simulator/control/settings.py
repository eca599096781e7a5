"""Settings of environments and tables: read from control calls and shown in answers."""

from dataclasses import replace

from simulator.control.reading import Fields, WrongInputError
from simulator.domain import baccarat, results
from simulator.domain.tables import Settings, Table
from simulator.domain.world import Environment


def read_environment(fields: Fields, known: Environment) -> Environment:
    """Give the environment as it is to be; a field that is absent stays as it is."""
    strict = fields.take_flag("strict")
    supersede = fields.take_flag("sessions_supersede")
    require = fields.take_flag("require_session")
    ttl_ms = known.session_ttl_ms
    if "session_ttl_s" in fields:
        ttl_ms = fields.take_ms("session_ttl_s")
    return replace(
        known,
        strict=known.strict if strict is None else strict,
        signature=_read_signature(fields, known),
        sessions_supersede=known.sessions_supersede if supersede is None else supersede,
        require_session=known.require_session if require is None else require,
        session_ttl_ms=ttl_ms,
    )


def _read_signature(fields: Fields, known: Environment) -> str | bool:
    if "signature" not in fields:
        return known.signature
    value = fields.take("signature")
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value:
        return value
    raise WrongInputError("signature must be true, false or the one that is right.")


def read_own_port(fields: Fields) -> int | None:
    """Read the port wanted, 0 for any; None for none, which only false asks for."""
    value = fields.take("own_port")
    if value is None or isinstance(value, bool):
        return 0 if value else None
    if type(value) is int and 1 <= value <= 65_535:  # noqa: PLR2004 the highest port
        return value
    raise WrongInputError("own_port must be true, false or a port.")


def show_environment(environment: Environment, own_port: int | None) -> dict[str, object]:
    ttl_ms = environment.session_ttl_ms
    return {
        "environment": environment.name,
        "strict": environment.strict,
        "signature": environment.signature,
        "sessions_supersede": environment.sessions_supersede,
        "session_ttl_s": None if ttl_ms is None else ttl_ms / 1000,
        "require_session": environment.require_session,
        "own_port": own_port,
    }


def read_table(fields: Fields, known: Settings) -> Settings:
    """Give the table's settings as they are to be; the bet period counts from the next start."""
    auto = fields.take_flag("auto_bet_stop")
    txn_stop_ms = known.txn_stop_ms
    if "txn_stop_s" in fields:
        txn_stop_ms = fields.take_ms("txn_stop_s")
    return replace(
        known,
        bet_period_ms=fields.take_ms("bet_period_s") or known.bet_period_ms,
        auto_bet_stop=known.auto_bet_stop if auto is None else auto,
        game_type=fields.take_choice("game_type", list(results.FIELDS)) or known.game_type,
        slots=_read_slots(fields) or known.slots,
        txn_stop_ms=txn_stop_ms,
    )


def _read_slots(fields: Fields) -> tuple[str, ...] | None:
    value = fields.take("slots")
    if value is None:
        return None
    if isinstance(value, list):
        slots = tuple(str(slot) for slot in value)
        if sorted(slots) == sorted(baccarat.SLOTS):
            return slots
    raise WrongInputError(f"slots must hold {', '.join(baccarat.SLOTS)}, each once, in any order.")


def show_table(table: Table) -> dict[str, object]:
    settings = table.settings
    txn_stop_ms = settings.txn_stop_ms
    return {
        "environment": table.environment,
        "table": table.code,
        "bet_period_s": settings.bet_period_ms / 1000,
        "auto_bet_stop": settings.auto_bet_stop,
        "game_type": settings.game_type,
        "visibility": table.visibility,
        "slots": settings.slots,
        "txn_stop_s": None if txn_stop_ms is None else txn_stop_ms / 1000,
    }
