"""The log service: an API that takes lines and finds them, a worker that writes them."""
