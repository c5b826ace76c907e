"""Raw log to legs and rejects."""
