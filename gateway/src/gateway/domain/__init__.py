"""What a gateway decides by itself."""
