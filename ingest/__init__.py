"""Stage 1: everything comes in here. Parse, publish to Kafka, answer; decisions are made downstream."""
