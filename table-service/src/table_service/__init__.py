"""One pool per environment: carries deliveries to the Table API and records what came of them."""
