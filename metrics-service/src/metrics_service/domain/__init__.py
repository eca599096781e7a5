"""What decides: windows, sketches, alerts; no network and no event loop."""
