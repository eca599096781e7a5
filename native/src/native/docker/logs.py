"""The logs of the fleet's containers, shown by Compose itself."""

import os
from typing import NoReturn

from native import lifecycle
from native.docker import containers, engine, project
from native.refusals import BadUse, NotRunning


def show(service: str | None, lines: int, *, follow: bool) -> NoReturn:
    """Become the program that shows the logs of all, of one service, or of one instance."""
    compose = project.load(lifecycle.places())
    found = containers.find_all(compose.project)
    if not found:
        raise NotRunning("There are no logs yet; start the fleet with: ./manage.sh up")
    options = ["logs", f"--tail={lines}", *(["--follow"] if follow else [])]
    named = [each for each in found if service in {None, each.service}]
    named = named or [each for each in found if each.service.startswith(f"{service}-")]
    if named:
        services = sorted({each.service for each in named}) if service is not None else []
        command = compose.command(*options, "--no-color", *services)
    else:
        one = next((each for each in found if each.instance == service), None)
        if one is None:
            known = ", ".join(dict.fromkeys(each.service for each in found))
            raise BadUse(f"No log of {service!r}; there are: {known}.")
        command = [engine.find_docker(), *options, one.id]
    os.execve(command[0], command, compose.environment)  # noqa: S606  # no shell wanted
