"""The one stream from a unit to the centre."""
