"""`python -m log_service`: one replica of the log service's API."""

from functools import partial

from fleetkit import service
from fleetkit.settings import load
from log_service.app import create
from log_service.settings import Settings


def main() -> None:
    settings = load(Settings)
    service.run(partial(create, settings), settings, ship=False)


if __name__ == "__main__":
    main()
