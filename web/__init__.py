"""What people see: HTTP in front of the desk and the read models. Decides nothing."""
