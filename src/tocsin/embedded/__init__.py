"""A whole installation on one machine: real Apache Kafka and real PostgreSQL without Docker or a system Java."""
