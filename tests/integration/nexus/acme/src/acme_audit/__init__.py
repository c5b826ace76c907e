"""What ACME adds to Bluewhale."""
