"""`python -m native VERB`: what manage.sh calls."""

from native.cli import main

raise SystemExit(main())
