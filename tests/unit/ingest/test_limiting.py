"""How often an address may try."""

from __future__ import annotations

from bluewhale.ingest.limiting import AddressLimit


def test_a_burst_then_one_per_second_for_each_address_alone() -> None:
    """Three at once, the fourth waits a second; another address does not wait."""
    limit = AddressLimit(per_second=1.0, burst=3)
    assert [limit.wait_s("10.0.0.1", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert limit.wait_s("10.0.0.2", 100.0) == 0.0
    assert limit.wait_s("10.0.0.1", 100.5) == 0.5
    assert limit.wait_s("10.0.0.1", 101.0) == 0.0
    assert limit.wait_s("10.0.0.1", 101.0) == 1.0


def test_a_flood_from_many_addresses_costs_no_memory() -> None:
    """Of a thousand addresses ten are kept; the rest waits until a bucket is full again."""
    limit = AddressLimit(per_second=1.0, burst=2, addresses_max=10)
    waits = [limit.wait_s(f"10.0.{i // 250}.{i % 250}", 5.0) for i in range(1_000)]
    assert waits[:10] == [0.0] * 10
    assert set(waits[10:]) == {1.0}
    assert limit.wait_s("192.168.0.1", 7.0) == 0.0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    """The steady clock should not go back; if it does, nobody gets more."""
    limit = AddressLimit(per_second=1.0, burst=1)
    assert limit.wait_s("10.0.0.1", 50.0) == 0.0
    assert limit.wait_s("10.0.0.1", 40.0) == 1.0
