"""The live matrix: events as they come, and the board they move."""
