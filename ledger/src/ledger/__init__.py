"""The ledger of deliveries: the rules of a round and the SQL that keeps it."""
