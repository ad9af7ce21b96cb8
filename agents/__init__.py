"""What we decide. Importing `agents.services` fills the registry."""
