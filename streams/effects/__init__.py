"""What leaves the system: HTTP requests. Which, when, and what their answers mean is decided in streams.domain."""
