"""What it does: consume, keep, alert, roll up, answer."""
