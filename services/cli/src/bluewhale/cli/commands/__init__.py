"""The doors of the command: each module registers its branch; no rule lives here."""
