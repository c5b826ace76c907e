"""Tests of the main database."""
