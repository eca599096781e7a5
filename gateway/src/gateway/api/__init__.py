"""The public door: routes, bodies and answers."""
