"""The rules of money, each in one file; pure."""
