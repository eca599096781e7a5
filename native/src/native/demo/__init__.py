"""The demo: full rounds played live on the running fleet, against the simulator."""
