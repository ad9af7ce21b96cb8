"""The built-in gateway that settles at once."""
