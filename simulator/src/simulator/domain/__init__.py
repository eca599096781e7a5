"""The pure part: tables, rounds, sessions, faults, effects; time is an argument."""
