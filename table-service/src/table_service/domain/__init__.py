"""What a replica decides by itself, without the network."""
