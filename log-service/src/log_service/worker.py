"""`python -m log_service.worker`: one replica of the worker that writes the lines."""

from functools import partial

from fleetkit import service
from fleetkit.settings import load
from log_service.app import create_worker
from log_service.settings import WorkerSettings


def main() -> None:
    settings = load(WorkerSettings)
    service.run(partial(create_worker, settings), settings, ship=False)


if __name__ == "__main__":
    main()
