"""What the API knows of each environment's replicas: how many it shall have, and what they do."""

from http import HTTPStatus

import httpx

from native.autoscaling.decision import Bounds
from native.refusals import Refusal
from native.settings import MAX_REPLICAS, Settings

_ANSWER_S = 5.0
_POOL = "table-service"


class Away(Refusal):
    """The API gave no answer to go by; what is known already still holds."""


class Wishes:
    """The API, asked as the admin."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {settings.admin_key}"},
            timeout=_ANSWER_S,
            trust_env=False,
            verify=settings.edge.trust(),
        )

    def read_in_flight(self) -> dict[str, list[float]]:
        """Give the calls under way at each replica, by environment, as they last told."""
        found: dict[str, list[float]] = {}
        try:
            answer = self._client.get("/v1/services")
        except httpx.HTTPError:
            return found
        if answer.is_success:
            for one in answer.json()["services"]:
                if one["service"].startswith(_POOL) and one["in_flight"] is not None:
                    found.setdefault(one["environment"], []).append(float(one["in_flight"]))
        return found

    def read(self) -> dict[str, Bounds]:
        """Give the bounds by environment."""
        try:
            answer = self._client.get("/v1/config/environments")
        except httpx.HTTPError as error:
            raise Away(f"The API does not answer ({type(error).__name__})") from error
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Refusal(
                "The fleet does not take PITBOSS_ADMIN_KEY; use the one it was started with."
            )
        if not answer.is_success:
            raise Away(f"The API answers {answer.status_code}")
        found = {}
        for one in answer.json()["environments"]:
            scaling = one["config"]["scaling"]
            low, high = scaling["min_instances"], scaling["max_instances"]
            found[str(one["environment"])] = Bounds(
                min(low, MAX_REPLICAS), min(high, MAX_REPLICAS), bool(scaling["auto_scale"])
            )
        return found
