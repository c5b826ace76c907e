"""Real services for tests: which ones a run uses, and own instances for fault tests.

`KafkaCluster`, `PostgresServer` and `RedisServer` are instances of one test on
free ports, to be killed, frozen and wiped. The shared ones come by the fixtures
of tests/conftest.py.
"""

from tests.support.services.kafka import KafkaCluster
from tests.support.services.postgres import PostgresServer
from tests.support.services.program import Missing, free_ports
from tests.support.services.redis import RedisServer

__all__ = ["KafkaCluster", "Missing", "PostgresServer", "RedisServer", "free_ports"]
