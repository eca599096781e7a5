"""What every service of the fleet is built from; it knows no service."""
