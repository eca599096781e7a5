"""What a replica reaches: the Table API, its configuration, its secrets."""
