"""Runs the whole fleet as local processes, without a container engine."""
