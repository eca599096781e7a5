"""Alerting: looks at each service's window, and sees to it that what changed is told."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import httpx
import orjson

from fleetkit import errors, logs
from fleetkit.bus import Bus
from fleetkit.telemetry import ALERTS
from metrics_service.adapters.alerts import QUEUE, Alerts, Notice
from metrics_service.domain.alerts import Alert, AlertManager, AlertThresholds
from metrics_service.domain.windows import AggregatedMetrics

log = logs.get(__name__)

LOOK_S: Final = 0.5
HOLD: Final = timedelta(seconds=10)
WEBHOOK_S: Final = 5.0
TRIES: Final = 20
OK: Final = range(200, 300)
_SILENT: Final = AggregatedMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0)


class Alerting:
    """Raises and clears alerts of the services of a shard."""

    def __init__(self, alerts: Alerts, thresholds: AlertThresholds, shard: int) -> None:
        self._alerts = alerts
        self._shard = shard
        self._thresholds = thresholds
        self._manager: AlertManager | None = None
        self._untold: list[Alert] = []

    def begin(self) -> None:
        self._manager = None

    async def look(self, windows: Mapping[str, AggregatedMetrics], *, now: float) -> None:
        """Look at all windows; what can't be stored now is when Postgres is back."""
        try:
            manager = await self._known()
            for service in {*windows, *manager.standing()}:
                figures = windows.get(service, _SILENT)
                self._untold += manager.check_thresholds(service, figures, now=now)
            while self._untold:
                alert = self._untold[0]
                if await self._alerts.note(alert, self._shard):
                    log.warning(
                        "alert_raised" if alert.raised else "alert_cleared",
                        service=alert.service,
                        metric=alert.metric,
                        value=alert.value,
                        threshold=alert.threshold,
                    )
                self._untold.pop(0)
        except errors.Unavailable as error:
            log.warning("alerts_not_stored", reason=error.detail)

    async def _known(self) -> AlertManager:
        if self._manager is None:
            manager = AlertManager(self._thresholds)
            for service, metric in await self._alerts.standing(self._shard):
                manager.restore(service, metric)
            self._manager = manager
        return self._manager


class Notifier:
    """Tells alerts to the queue and to the webhook, each until it has it."""

    def __init__(
        self, alerts: Alerts, bus: Bus, *, webhook: str, client: httpx.AsyncClient
    ) -> None:
        self._alerts = alerts
        self._bus = bus
        self._webhook = webhook
        self._client = client

    async def run(self) -> None:
        while True:
            try:
                for notice in await self._alerts.take_notices(20, HOLD):
                    if await self._tell(notice):
                        await self._alerts.told(notice)
            except errors.Unavailable:
                pass  # what is put down stays so
            except Exception:
                log.exception("alerts_not_told")
            await asyncio.sleep(LOOK_S)

    async def _tell(self, notice: Notice) -> bool:
        """Tell whether it need not be told again."""
        body = orjson.dumps({**notice.body, "notice": notice.id})
        try:
            if notice.channel == QUEUE:
                await self._bus.publish(ALERTS, {"body": body}, once=f"notice-{notice.id}")
                return True
            answer = await self._client.post(
                self._webhook,
                content=body,
                headers={"content-type": "application/json"},
                timeout=WEBHOOK_S,
            )
            if answer.status_code in OK:
                return True
            reason = f"answered {answer.status_code}"
        except (errors.Unavailable, httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"{type(error).__name__}: {error}"
        log.warning("alert_not_told", channel=notice.channel, tries=notice.tries, reason=reason)
        if notice.tries >= TRIES and notice.channel != QUEUE:
            log.error("alert_given_up", channel=notice.channel, alert=notice.body.get("alert"))
            return True
        return False
