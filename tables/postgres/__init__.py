"""The archive and the read models in PostgreSQL."""
