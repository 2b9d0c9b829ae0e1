"""What people see: figures, tables and pages, drawn from files alone. No task is known here."""
