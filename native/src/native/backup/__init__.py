"""The database in one file: taken in one snapshot, and put back in one transaction."""
