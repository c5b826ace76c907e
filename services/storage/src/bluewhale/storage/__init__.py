"""The truth: commits, query API, jobs."""
