"""Backups: what is kept of an installation, how it is written, checked and brought back.

A backup is a folder, or a tar of it: `manifest.json`, the database, the journal,
the sealed files. Owns its form and the order of copying. Does not own what the
files hold: `bluewhale.database.snapshot`, `bluewhale.journal.snapshot`.
"""
