"""What a gateway does: a round and its commands, tables, configuration."""
