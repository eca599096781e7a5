"""What a handler is given."""

from typing import Annotated

from fastapi import Depends, Request

from metrics_service.adapters.alerts import Alerts
from metrics_service.services.intake import Intake
from metrics_service.services.letters import Letters
from metrics_service.services.reading import Reading


async def _reading(request: Request) -> Reading:
    reading: Reading = request.state.reading
    return reading


async def _alerts(request: Request) -> Alerts:
    alerts: Alerts = request.state.alerts
    return alerts


async def _intake(request: Request) -> Intake:
    intake: Intake = request.state.intake
    return intake


async def _letters(request: Request) -> Letters:
    letters: Letters = request.state.letters
    return letters


TheReading = Annotated[Reading, Depends(_reading)]
TheAlerts = Annotated[Alerts, Depends(_alerts)]
TheIntake = Annotated[Intake, Depends(_intake)]
TheLetters = Annotated[Letters, Depends(_letters)]
