"""The two programs that everything goes through: docker, and Compose as its plugin or alone."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from native.places import ROOT
from native.refusals import Missing, Refusal

_SECONDS: Final = 120.0  # a machine that starts many containers is slow; it is not ill
_ANSWER_SECONDS: Final = 20.0
_SHORT: Final = 12
_UNKNOWN: Final = "--"


@functools.cache
def find_docker() -> str:
    found = shutil.which("docker")
    if found is None:
        raise Missing("docker is not installed; install Docker, or use: ./manage.sh up --native")
    return found


@functools.cache
def find_compose() -> tuple[str, ...]:
    """Give the command of Compose: docker's plugin, else the program that .venv has."""
    docker = find_docker()
    asked = subprocess.run(  # noqa: S603  # found above
        [docker, "compose", "version"],
        capture_output=True,
        check=False,
        timeout=_ANSWER_SECONDS,
    )
    if asked.returncode == 0:
        return docker, "compose"
    own = Path(sys.executable).with_name("docker-compose")
    alone = str(own) if own.exists() else shutil.which("docker-compose")
    if alone is None:
        raise Missing(
            "Docker's Compose plugin is missing; install the package docker-compose-plugin."
        )
    return (alone,)


def answers() -> bool:
    """Tell whether there is an engine that answers."""
    try:
        _ask("version", "--format", "{{.Server.Version}}", seconds=_ANSWER_SECONDS)
    except Refusal:
        return False
    return True


def count_cores() -> int:
    """Count the processors that containers share."""
    return max(1, int(_ask("info", "--format", "{{.NCPU}}")))


def _call(
    command: Sequence[str], name: str, seconds: float, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603  # docker or Compose, and our own arguments
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as late:
        raise Refusal(
            f"{name} was not done within {seconds:.0f} s; look at what else the machine does, "
            "then give the command again."
        ) from late


def _ask(*arguments: str, seconds: float = _SECONDS) -> str:
    done = _call([find_docker(), *arguments], f"docker {arguments[0]}", seconds)
    if done.returncode != 0:
        raise Refusal(f"docker {arguments[0]} failed: {last_line(done.stderr)}")
    return done.stdout


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def list_ids(project: str) -> list[str]:
    label = f"label=com.docker.compose.project={project}"
    return _ask("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()


def inspect(ids: Sequence[str]) -> list[dict[str, Any]]:
    """Describe containers; those that have gone meanwhile are left out."""
    if not ids:
        return []
    command = [find_docker(), "inspect", "--type=container", *ids]
    done = _call(command, "docker inspect", _SECONDS)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except ValueError as error:
        raise Refusal(f"docker inspect failed: {last_line(done.stderr)}") from error
    return found


def read_cpu(ids: Sequence[str]) -> dict[str, float]:
    """Give the CPU that containers use: percent of one core, or of their limit if that is less."""
    if not ids:
        return {}
    allowed = {
        str(each["Id"])[:_SHORT]: min(1.0, (each["HostConfig"].get("NanoCpus") or 1e9) / 1e9)
        for each in inspect(ids)
    }
    said = _ask("stats", "--no-stream", "--format", "{{.ID}} {{.CPUPerc}}", *ids)
    used = (line.split() for line in said.splitlines())
    return {
        name[:_SHORT]: float(percent.rstrip("%")) / allowed[name[:_SHORT]]
        for name, percent in used
        if percent != _UNKNOWN and name[:_SHORT] in allowed
    }


def last_words(container: str) -> str:
    """Give the last line that a container has logged."""
    command = [find_docker(), "logs", "--tail", "1", container]
    done = _call(command, "docker logs", _SECONDS)
    return last_line(done.stdout + done.stderr)


def stop_and_remove(ids: Sequence[str], grace_s: int) -> None:
    _ask("stop", "--time", str(grace_s), *ids, seconds=grace_s + _SECONDS)
    _ask("rm", "--force", *ids)


@dataclass(frozen=True, slots=True)
class Compose:
    """One project: its name, its files, and what its files' variables are."""

    project: str
    files: tuple[Path, ...]
    told: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, profiles: Sequence[str] = ("*",)) -> list[str]:
        options = ["--project-name", self.project, "--project-directory", str(ROOT)]
        for file in self.files:
            options += ["--file", str(file)]
        for profile in profiles:
            options += ["--profile", profile]
        return [*find_compose(), *options, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.told}

    def run(self, *arguments: str, seconds: float = 600.0, profiles: Sequence[str] = ()) -> str:
        """Run to the end; refuse with its last words where it fails."""
        command = self.command(*arguments, profiles=profiles)
        done = _call(command, f"docker compose {arguments[0]}", seconds, self.environment)
        if done.returncode != 0:
            raise Refusal(f"docker compose {arguments[0]} failed: {last_line(done.stderr)}")
        return done.stdout

    def execute(self, service: str, *arguments: str, seconds: float = 60.0) -> str:
        """Run a command in the running container of a service."""
        return self.run("exec", "-T", service, *arguments, seconds=seconds)
