"""PBXs that never existed, and the truth about their calls.

Owns seeded worlds of sites, people and calls; what each PBX prints for a call
(through the dialects' writers); playing the bytes to sockets and folders with
the accidents of real life; the truth as Parquet, with prices computed by a
small engine of its own. May not import parsers, merge or rating: what it knows,
it knows on its own.
"""
