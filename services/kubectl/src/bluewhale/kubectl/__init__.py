"""`kubectl bluewhale`: RemoteUnits as a dashboard, orders that wait, a bundle for support.

Owns what a person at a terminal sees and orders. Does not own what an order does: the
operator follows annotations, and this room writes them with the program kubectl.
"""
