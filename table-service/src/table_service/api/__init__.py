"""The inner door: what the gateway asks of a replica."""
