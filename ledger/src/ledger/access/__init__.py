"""Who asks: the keys in force and their rates, for every service that has a public door."""
