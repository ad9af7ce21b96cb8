"""The embedded stack: real Kafka, NATS and PostgreSQL as child processes, no engine needed."""
