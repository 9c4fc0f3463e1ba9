"""One pure module per kind of sender: bytes in, typed events or a Problem out. No I/O."""
