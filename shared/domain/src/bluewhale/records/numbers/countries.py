"""What numbering metadata does not say, stated once with its source.

Owns the exceptions; everything else comes from `phonenumbers` metadata.
"""

from __future__ import annotations

from bluewhale.records.enums import CallClass

# Codes shared by countries that call each other as abroad: a number of another
# country of the same code is international. Elsewhere (44 with Jersey, 39 with
# the Vatican, 47 with Svalbard ...) the other territory is dialled and sold as
# national. Source: NANP and Kazakhstan/Russia carrier price lists, observed.
FOREIGN_WITHIN_CODE = frozenset({1, 7})

# Codes without a country. Source: ITU-T E.164 assigned codes.
GLOBAL_CODES = {
    800: CallClass.FREE,  # international freephone
    979: CallClass.PREMIUM,  # international premium rate
}

# Trunk prefixes that the metadata writes with captures: the plain pattern here.
# BR: carrier selection code behind 0 or 90. Source: phonenumbers metadata of BR.
TRUNK_PREFIXES = {"BR": "90|(?:0|90)(?:1[245]|2[1-35]|31|4[13]|[56]5|99)|0"}

# Where the national prefix may be left out in dialling a national number.
OPTIONAL_TRUNK_PREFIX_CODES = frozenset({1})
