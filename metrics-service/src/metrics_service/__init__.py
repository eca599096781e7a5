"""Sliding windows over what the fleet publishes: rates, percentiles, history, alerts."""
