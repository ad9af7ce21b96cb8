"""The platform's auth service, as far as it is asked: who is this tenant."""
