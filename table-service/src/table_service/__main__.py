"""`python -m table_service`: one replica of one environment's pool."""

from functools import partial

from fleetkit import service
from fleetkit.settings import load
from table_service.app import create
from table_service.settings import Settings


def main() -> None:
    settings = load(Settings)
    service.run(partial(create, settings), settings)


if __name__ == "__main__":
    main()
