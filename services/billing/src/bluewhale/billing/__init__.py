"""Legs to proposed calls and charges."""
