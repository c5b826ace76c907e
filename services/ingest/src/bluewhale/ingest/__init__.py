"""Frames of Remote Units into the raw log."""
