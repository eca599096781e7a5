"""The command line of Pitboss."""
