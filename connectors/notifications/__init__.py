"""The platform's notifications service: what we tell payers by it, and what it reports."""
