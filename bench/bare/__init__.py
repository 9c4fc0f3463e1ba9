"""The bare loops: what the libraries alone can do on this machine. Nothing of tocsin is imported here."""
