"""Scaling by itself: measures each pool, decides by its environment's `scaling`, asks for it."""
