"""The outside world: one folder per gateway, same files in each. Decides nothing."""
