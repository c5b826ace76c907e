"""Asterisk call records as cdr_csv writes them (Master.csv). See README.md."""
