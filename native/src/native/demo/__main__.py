"""`python -m native.demo [--json] [--rounds N]`: what `./manage.sh demo` runs."""

from native.demo.cli import main

raise SystemExit(main())
