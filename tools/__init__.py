"""Scripts for development; each is run by its path."""
