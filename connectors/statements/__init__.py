"""Bank statements as files: camt, MT940, OFX and CSV, read into one shape."""
