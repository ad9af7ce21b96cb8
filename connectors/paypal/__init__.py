"""PayPal: orders, refunds and payouts, in the currencies it has."""
