"""An answer is asked for once, however many want it, and not kept for long."""

from __future__ import annotations

import threading

import pytest
from bluewhale.webapi.recent import ANSWERS_MAX, Recent


def test_whoever_comes_meanwhile_gets_the_same_answer():
    """Twenty at once: one question."""
    asked, gate = [], threading.Event()

    def ask() -> str:
        asked.append(1)
        gate.wait(10)
        return "answer"

    recent, got = Recent(60), []
    threads = [threading.Thread(target=lambda: got.append(recent.get("a", ask))) for _ in range(20)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (got, asked) == (["answer"] * 20, [1])


def test_an_answer_is_made_anew_after_its_time_and_an_error_never_kept():
    """Three seconds later, or after a failure at once."""
    now = [0.0]
    recent = Recent(3.0, lambda: now[0])
    assert recent.get("a", lambda: 1) == recent.get("a", lambda: 2) == 1
    now[0] = 3.0
    assert recent.get("a", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        recent.get("b", lambda: 1 // 0)
    assert recent.get("b", lambda: 4) == 4


def test_only_so_many_answers_are_kept():
    """The first that came go first."""
    recent = Recent(60)
    for number in range(ANSWERS_MAX + 10):
        recent.get(number, lambda: "old")
    assert recent.get(0, lambda: "new") == "new"
    assert recent.get(ANSWERS_MAX + 9, lambda: "new") == "old"
