"""Our own outbound events as they are published, by hand after the platform's integration guide
and the members that agents/outbound.py names.
"""

PAID = b"""{
  "event_id": "0b6c1f0e-6f0e-4a53-9a3f-1f0a4f3f7a01",
  "event_type": "treasury.payment.success",
  "tenant_id": "tenant-uuid",
  "timestamp": "2024-12-05T10:30:00Z",
  "data": {
    "payment_id": "payment-uuid",
    "order_id": "order-uuid",
    "amount": 1500.00,
    "provider_reference": "mpesa-ref-123",
    "currency": "KES",
    "provider": "mpesa",
    "invoice_id": "invoice-uuid",
    "late": false,
    "sequence": 4
  }
}"""
INVOICED = b"""{
  "event_id": "0b6c1f0e-6f0e-4a53-9a3f-1f0a4f3f7a02",
  "event_type": "treasury.invoice.created",
  "tenant_id": "tenant-uuid",
  "timestamp": "2024-12-05T10:30:00Z",
  "data": {
    "invoice_id": "invoice-uuid",
    "customer_id": "customer-uuid",
    "amount": 5000.00,
    "due_date": "2024-12-10",
    "currency": "KES",
    "order_id": "order-uuid",
    "tax_amount": 689.66,
    "sequence": 1
  }
}"""
DUE = b"""{
  "event_id": "0b6c1f0e-6f0e-4a53-9a3f-1f0a4f3f7a03",
  "event_type": "treasury.invoice.due",
  "tenant_id": "tenant-uuid",
  "timestamp": "2024-12-13T06:00:00Z",
  "data": {
    "invoice_id": "invoice-uuid",
    "customer_id": "customer-uuid",
    "amount": 1234567.05,
    "due_date": "2024-12-10",
    "currency": "KES",
    "order_id": "order-uuid",
    "overdue": true,
    "sequence": 3,
    "step_days": 3,
    "final": false
  }
}"""
FAILED = b"""{
  "event_id": "0b6c1f0e-6f0e-4a53-9a3f-1f0a4f3f7a04",
  "event_type": "treasury.payment.failed",
  "tenant_id": "tenant-uuid",
  "timestamp": "2024-12-05T10:31:00Z",
  "data": {
    "payment_id": "payment-uuid",
    "order_id": "order-uuid",
    "amount": 1500.00,
    "currency": "KES",
    "provider": "mpesa",
    "reason": "insufficient_funds",
    "final": false,
    "sequence": 3
  }
}"""
