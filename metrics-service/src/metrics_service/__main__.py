"""`python -m metrics_service`: one instance."""

from functools import partial

from fleetkit import service
from metrics_service.app import create
from metrics_service.settings import load


def main() -> None:
    settings, tuning = load()
    service.run(partial(create, settings, tuning), settings)


if __name__ == "__main__":
    main()
