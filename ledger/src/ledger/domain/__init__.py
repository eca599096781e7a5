"""What the ledger decides: pure, with time and randomness handed in."""
