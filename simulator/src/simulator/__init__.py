"""A Table API to run against, with faults on demand and a ledger of every effect."""
