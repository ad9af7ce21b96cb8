"""Stripe: cards and their like."""
