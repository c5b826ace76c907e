"""Plugins, their life, governed calls between services."""
