"""The floor's roulette tables, configured for a simulator that the replicas know by its name."""

import httpx

from fleet.floor import names
from fleet.rig import ENVIRONMENTS


def furnish(client: httpx.Client) -> None:
    for environment in ENVIRONMENTS:
        document = {
            "environment": environment,
            "primary": environment == "PRD",
            "base_url": f"http://simulator:9000/{environment.lower()}/v2/service",
            "tables": [
                {"id": name, "table": name, "type": "speed_roulette"} for name in names("roulette")
            ],
        }
        answer = client.put(f"/v1/config/environments/{environment}", json=document)
        assert answer.status_code == 201, answer.content
