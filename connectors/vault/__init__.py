"""HashiCorp Vault: keys and passwords of this service."""
