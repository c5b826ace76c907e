"""The prefix index against the obvious search, over prefixes that nest and crowd together."""

import random

import numpy as np
from bluewhale.rating.compiled import FOREVER, RESTRICTED
from bluewhale.rating.kernels import match_rows
from bluewhale.rating.prefixes import build_index, left_align_digits

_ANY = np.array([-1], np.int32)


def _matches(prefixes, plain, numbers):
    """Give the prefix that the index finds for each number, None where there is none."""
    order = sorted(prefixes, key=left_align_digits)
    aligned = [left_align_digits(prefix) for prefix in order]
    keys = np.array([key for key, _ in aligned], np.int64)
    lengths = np.array([length for _, length in aligned], np.int8)
    index = build_index(keys, lengths, np.array([plain[prefix] for prefix in order], bool))
    spans = [left_align_digits(number) for number in numbers]
    row, length = np.empty(len(numbers), np.int32), np.empty(len(numbers), np.int8)
    match_rows(
        np.array([key for key, _ in spans], np.int64),
        np.array([digits for _, digits in spans], np.int8),
        _ANY,
        _ANY,
        _ANY,
        _ANY,
        np.zeros(len(numbers), np.int64),
        index.ranges,
        index.table,
        index.groups,
        np.full((len(order), 4), -1, np.int32),
        np.full(len(order), -FOREVER),
        np.full(len(order), FOREVER),
        False,
        RESTRICTED,
        row,
        length,
    )
    found = [order[at] if at >= 0 else None for at in row]
    assert all(f is None or len(f) == n for f, n in zip(found, length.tolist(), strict=True))
    return found


def test_the_longest_prefix_is_found_however_prefixes_nest():
    """Up to 300 prefixes of two or three digits' alphabets, so that hundreds share six digits."""
    for seed in range(30):
        rng = random.Random(seed)
        alphabet = rng.choice(("09", "019", "1", "0"))
        begin = rng.choice(("", "49303", "1212555"))

        def text(low, high, alphabet=alphabet, begin=begin, rng=rng):
            return begin + "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))

        longest = 15 - len(begin)
        prefixes = {text(0, longest) for _ in range(rng.randint(1, 300))}
        if rng.random() < 0.3:
            prefixes.add("")
        plain = {prefix: rng.random() < 0.8 for prefix in prefixes}
        numbers = [text(0, longest) for _ in range(300)] + ["123456789012345", "9" * 15, "0"]
        expected = [
            max((p for p in prefixes if number.startswith(p)), key=len, default=None)
            for number in numbers
        ]
        assert _matches(prefixes, plain, numbers) == expected, f"seed {seed}"
