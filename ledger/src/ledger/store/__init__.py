"""How the ledger is kept: plain SQL on Postgres, a function per statement."""
