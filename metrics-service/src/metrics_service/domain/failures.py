"""What can go wrong in here, by the names the fleet's operators know."""

from fleetkit import errors


class InvalidMetricEventError(ValueError):
    """An event that can't be counted; its text is the reason that goes to the dead letters."""


class AggregationError(RuntimeError):
    """What another has taken over can't be aggregated here any longer."""


class DatabaseConnectionError(errors.Unavailable):
    """Postgres can't be reached."""

    code = "database_unavailable"


class RabbitMQConnectionError(errors.Unavailable):
    """The bus can't be reached, whichever of the two it is."""

    code = "bus_unavailable"
