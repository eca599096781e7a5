"""`python -m gateway`: one replica of the public door."""

from functools import partial

from fleetkit import service
from fleetkit.settings import load
from gateway.app import create
from gateway.settings import Settings


def main() -> None:
    settings = load(Settings)
    service.run(partial(create, settings), settings)


if __name__ == "__main__":
    main()
