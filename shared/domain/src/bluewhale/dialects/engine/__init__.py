"""What all dialects share: declarations, span kernels, framing in bulk, legs from columns.

Owns the `Dialect` interface, the kernels that turn byte spans into Arrow
columns, and the assembly of legs and rejects. Owns no PBX format: each one is
a room of its own beside this one. See README.md.
"""
