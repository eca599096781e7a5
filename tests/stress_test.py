"""`./manage.sh stress [KIND]`: consoles play rounds, or devices log, on the running fleet."""

import sys
from collections.abc import Sequence
from typing import Final

from stress import logs, program

_KINDS: Final = {"rounds": program.main, "logs": logs.main, "--logs": logs.main}


def main(arguments: Sequence[str]) -> int:
    """Run the kind that is named first, else rounds."""
    first = arguments[0] if arguments else "rounds"
    if first.startswith("-") and first not in _KINDS:
        return program.main(arguments)
    if first not in _KINDS:
        sys.stderr.write(f"There is no stress {first}; there are: {', '.join(_KINDS)}.\n")
        return 2
    return _KINDS[first](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
