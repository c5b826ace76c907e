"""What flows and is stored: schemas, ids, numbers, times, directory, money.

Owns the shapes that stages pass and the pure rules about single records. Does
not own parsing (`bluewhale.dialects`), joining (`bluewhale.merge`) or prices
(`bluewhale.rating`). Modules are imported by name, so that a command that needs
one does not pay for all: `from bluewhale.records import ids`.
"""
