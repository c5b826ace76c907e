"""Tariffs to charges: both engines, receipts, tariff files; import from the modules.

Owns prices. Does not own calls (merge), formats (dialects) or storage.
"""
