"""A service with nothing in it but what every service has, run by the tests as a process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from fleetkit import health, logs, service
from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.settings import Settings, load

log = logs.get(__name__)
router = APIRouter()


@router.get("/slow")
async def slow(seconds: float) -> dict[str, str]:
    log.info("slow_started")
    await asyncio.sleep(seconds)
    return {"slow": "done"}


@router.get("/boom")
async def boom() -> None:
    planted = "planted-local"
    raise RuntimeError(f"boom of {len(planted)}")


def main() -> None:
    settings = load(Settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        url, redis = settings.database_url, settings.redis_url
        async with (
            Database.open(url.get_secret_value(), name=settings.instance) as database,
            Cache.open(redis.get_secret_value(), prefix="toy:") as cache,
        ):
            yield {"database": database, "cache": cache}

    def build() -> FastAPI:
        return service.build(
            name="toy",
            title="Toy",
            description="For tests.",
            lifespan=lifespan,
            routers=[router],
            checks=[
                health.Check("postgres", lambda state: state.database.ping()),
                health.Check("redis", lambda state: state.cache.ping(), degrading=False),
            ],
            docs=True,
        )

    service.run(build, settings)


if __name__ == "__main__":
    main()
