"""Events to the tenants' own addresses, by Standard Webhooks 1.0.0 (standardwebhooks.com)."""
