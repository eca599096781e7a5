"""`python -m native.demo [--json] [--rounds N]`: what `./manage.sh demo` runs once all is up."""

from native.demo.cli import main

raise SystemExit(main())
