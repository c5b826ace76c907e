"""Ids over columns equal their scalar twins for any bytes."""

import numpy as np
import pyarrow as pa
import xxhash
from bluewhale.records import ids
from bluewhale.records.xxh3 import SECRET, xxh3_128
from hypothesis import given, settings
from hypothesis import strategies as st


def test_the_kernel_is_xxh3_for_every_length():
    """Lengths 0 to 2,100 cover every branch of the algorithm, at odd addresses too."""
    data = np.random.default_rng(7).integers(0, 256, 2200, dtype=np.uint8)
    whole = data.tobytes()
    data.flags.writeable = False
    acc = np.zeros(8, np.uint64)
    for length in range(2101):
        start = length % 5
        low, high = xxh3_128(data, start, start + length, SECRET, acc)
        got = int(high) << 64 | int(low)
        assert got == xxhash.xxh3_128_intdigest(whole[start : start + length])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=300),
            st.none() | st.text(max_size=40),
            st.integers(0, 2**24 - 1),
            st.integers(0, 2**31 - 1),
        ),
        max_size=8,
    ),
    st.text(max_size=20),
)
def test_leg_ids_equal_leg_id(rows, pbx_uid):
    """Any mixture of raw and native rows."""
    ends = np.cumsum([len(r[0]) for r in rows], dtype=np.int64)
    starts = ends - np.array([len(r[0]) for r in rows], dtype=np.int64)
    column = ids.leg_ids(
        pbx_uid=pbx_uid,
        day=np.array([r[2] for r in rows], np.int32),
        raw=(np.frombuffer(b"".join(r[0] for r in rows) + b"\0", np.uint8), starts, ends),
        native=pa.array([r[1] for r in rows], pa.string()),
        n=np.array([r[3] for r in rows], np.int32),
    )
    assert column.to_pylist() == [
        ids.leg_id(pbx_uid=pbx_uid, day=day, raw=raw, n=n, native=native)
        for raw, native, day, n in rows
    ]
    keys, _ = ids.join_keys_column("k", pbx_uid, pa.array([r[1] or "" for r in rows], pa.string()))
    assert keys.tolist() == [ids.join_key("k", pbx_uid, r[1] or "") for r in rows]
