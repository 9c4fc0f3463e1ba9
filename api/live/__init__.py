"""Live events for clients: one reader of the log for a process, its newest part in memory, SSE and WebSocket."""
