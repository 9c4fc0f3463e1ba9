"""Where tocsin may send: URLs, addresses and headers are judged here, without any I/O. Sending is streams/effects."""
