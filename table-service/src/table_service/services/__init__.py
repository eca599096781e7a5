"""What a replica does: deliver what it is handed, and carry what is due."""
