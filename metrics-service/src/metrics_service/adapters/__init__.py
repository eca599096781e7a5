"""What the service stands on: Postgres, Redis, its local spool."""
