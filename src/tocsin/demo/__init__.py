"""Sample data: one afternoon of a shop's operations, told through the real webhooks of its monitoring systems."""
