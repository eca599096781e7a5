"""Stands in for the gateway."""

import runpy
from pathlib import Path

main = runpy.run_path(str(Path(__file__).parents[1] / "standin.py"))["main"]

if __name__ == "__main__":
    main()
