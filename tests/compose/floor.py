"""The floor's roulette tables, configured for a simulator that the replicas know by its name."""

import httpx

from fleet.floor import names
from fleet.rig import Fleet


def furnish(fleet: Fleet) -> None:
    headers = {"authorization": f"Bearer {fleet.key}"}
    with httpx.Client(base_url=fleet.url, headers=headers, trust_env=False) as client:
        for environment in fleet.environment()["PITBOSS_ENVIRONMENTS"].split(","):
            document = {
                "environment": environment,
                "primary": environment == "PRD",
                "base_url": f"http://simulator:9000/{environment.lower()}/v2/service",
                "tables": [
                    {"id": name, "table": name, "type": "speed_roulette"}
                    for name in names("roulette")
                ],
            }
            answer = client.put(f"/v1/config/environments/{environment}", json=document)
            assert answer.status_code == 201, answer.content
