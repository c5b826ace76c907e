"""Which unit is entitled to read which link."""
