"""`python -m pitboss_cli`, as `pitboss`."""

from pitboss_cli.program import run

run()
