"""The operator: RemoteUnit resources of Kubernetes become units that run, enrolled and configured.

Gather, decide, apply: `watching` and `centre` say what is, `decide` says what to do (a
pure function), `reconcile` does it. Owns the life of units in and outside the cluster.
Does not own the data path: units read, ingest takes and calls are priced without it.
"""

import sys

if "kopf" in sys.modules:
    # `kopf run -m bluewhale.operator` imports this package by name and expects handlers in
    # its default registry; everybody else may use the pure rooms without kopf
    import kopf
    from bluewhale.operator.handlers import register

    register(kopf.get_default_registry())
