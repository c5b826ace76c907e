"""Cisco Unified Communications Manager: CDR and CMR flat files. See README.md."""
