"""The heart: partition state, one transaction a batch, ownership by fencing, timers. It knows no domain."""
