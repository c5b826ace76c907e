"""Avaya Communication Manager (DEFINITY, MultiVantage, Aura CM) call detail records.

`dialect` holds the declaration, `layouts` the tables, `writer` the byte-exact
writer; see README.md.
"""
