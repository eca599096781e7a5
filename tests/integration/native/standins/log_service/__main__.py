"""Stands in for the log service."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "standin.py"), run_name="__main__")
