"""`n`: how often the same bytes came on this connection."""

from bluewhale.capture import ConnectionCapture, ContextRule, FramingTable, OccurrenceCounter

MINUTE_MS = 60_000
DATE = ContextRule("date", rb"\d{4}", 4, 4, "stream", resets_count=True)


def test_equal_bytes_count_up_and_different_bytes_do_not():
    """Two genuine identical lines of one minute are told apart by n."""
    counter = OccurrenceCounter()
    assert [counter.count(x, 0) for x in (b"a", b"b", b"a", b"a")] == [1, 1, 2, 3]


def test_bytes_are_forgotten_fifteen_minutes_later():
    """At 14:59.999 they still count, at 15:00.000 they do not."""
    counter = OccurrenceCounter()
    assert counter.count(b"a", 0) == 1
    assert counter.count(b"a", 15 * MINUTE_MS - 1) == 2
    assert counter.count(b"a", 15 * MINUTE_MS) == 2  # the first is forgotten, the second counts
    assert counter.count(b"a", 40 * MINUTE_MS) == 1


def test_memory_is_bounded_and_the_oldest_go_first():
    """With room for 3 records the first of 4 is forgotten."""
    counter = OccurrenceCounter(occurrences_max=3)
    for data in (b"a", b"b", b"c", b"d"):
        counter.count(data, 0)
    assert len(counter) == 3
    assert counter.count(b"d", 0) == 2
    assert counter.count(b"a", 0) == 1


def test_a_date_line_starts_the_count_over():
    """The same bytes under a new date line are another day's call."""
    capture = ConnectionCapture(FramingTable(context=(DATE,)), connection=7)
    records = capture.receive(b"0411\nx\nx\n0412\nx\n", 1000)
    assert [(r.data, r.context, r.n, r.connection) for r in records] == [
        (b"x", b"0411", 1, 7),
        (b"x", b"0411", 2, 7),
        (b"x", b"0412", 1, 7),
    ]
