"""The routes, a module per matter; each names the permission that it needs."""
