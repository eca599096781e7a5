"""The verifier: the ledger's invariants, each a named check that prints the rows which break it."""
