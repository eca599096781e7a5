"""The public door: rounds and their commands, answered honestly within a time."""
