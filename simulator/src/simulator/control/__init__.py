"""The control API: settings, faults on demand and what took effect."""
