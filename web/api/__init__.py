"""Handlers of the route table, one resource a file."""
