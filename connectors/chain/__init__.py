"""Ethereum and Polygon, over JSON-RPC."""
