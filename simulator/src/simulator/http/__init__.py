"""The wire: parsing, answering and misbehaving on real connections."""
