"""Runs the fleet with Docker Compose: the same verbs, on containers."""
