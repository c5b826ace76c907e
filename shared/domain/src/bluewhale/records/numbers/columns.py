"""A column of printed numbers through the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.records.enums import CallClass
from bluewhale.records.ids import text_buffers
from bluewhale.records.numbers.kernel import SIGNS, last_digits_kernel, normalise_kernel
from bluewhale.records.numbers.plan import CLASSES, NumberPlan
from bluewhale.records.numbers.scalar import Normalised, Role


@dataclass(frozen=True, slots=True, eq=False)
class NormalisedColumn:
    """What each printed number means; one entry per row, in the order of the input.

    `e164` is 0 where `valid` is false. `call_class` holds codes in the order of
    `CallClass`. `extension_digits` is how many last digits of the printed
    number are the own extension (0 where `is_extension` is false or the
    extension was reached by a short code).
    """

    e164: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    call_class: npt.NDArray[np.int8]
    is_extension: npt.NDArray[np.bool_]
    assumed: npt.NDArray[np.bool_]
    extension_digits: npt.NDArray[np.int8]
    _data: npt.NDArray[np.uint8]
    _offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Count of rows."""
        return len(self.e164)

    def e164_array(self) -> Any:
        """Give the int64 Arrow column, null where there is no E.164 form."""
        return pa.array(self.e164, mask=~self.valid)

    def class_array(self) -> Any:
        """Give the dictionary-encoded Arrow column of class words."""
        return pa.DictionaryArray.from_arrays(
            self.call_class.astype(np.int32), pa.array([c.value for c in CLASSES])
        )

    def extensions(self) -> Any:
        """Give the string column of own extensions, null where there is none."""
        sizes = self.extension_digits.astype(np.int64)
        ends = np.cumsum(sizes)
        offsets = np.zeros(len(sizes) + 1, np.int32)
        offsets[1:] = ends
        out = np.zeros(max(1, int(offsets[-1])), np.uint8)
        last_digits_kernel(
            self._data, self._offsets, SIGNS, _scratch(), self.extension_digits, ends, out
        )
        present = sizes > 0
        return pa.StringArray.from_buffers(
            len(sizes),
            pa.py_buffer(offsets),
            pa.py_buffer(out),
            pa.py_buffer(np.packbits(present, bitorder="little")),
            int(len(present) - present.sum()),
        )

    def row(self, index: int) -> Normalised:
        """Give one row as an object; for tests and displays."""
        return Normalised(
            e164=int(self.e164[index]) if self.valid[index] else None,
            call_class=CallClass(CLASSES[self.call_class[index]]),
            is_extension=bool(self.is_extension[index]),
            assumed=bool(self.assumed[index]),
            extension_digits=int(self.extension_digits[index]),
        )


def normalise(numbers: Any, plan: NumberPlan, role: Role = "called") -> NormalisedColumn:
    """Normalise a column of numbers as printed.

    Parameters
    ----------
    numbers
        String column (chunked or not, dictionary-encoded allowed); null rows
        are unknown.
    plan
        The number plan of the site whose PBX printed them.
    role
        "called" takes access codes off; "calling" reads as the network delivers.

    Returns
    -------
    One entry per row, order kept. The scalar twin is `normalise_one`.
    """
    array = numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers
    if isinstance(array, pa.DictionaryArray):
        # Each distinct number once.
        words = normalise(array.dictionary, plan, role)
        return _taken(words, array)
    data, offsets, _ = text_buffers(array)
    rows = len(offsets) - 1
    e164 = np.empty(rows, np.int64)
    call_class = np.empty(rows, np.int8)
    is_extension = np.empty(rows, np.bool_)
    assumed = np.empty(rows, np.bool_)
    digits = np.empty(rows, np.int8)
    data = _read_only(data)
    offsets = _read_only(offsets)
    normalise_kernel(
        data,
        offsets,
        SIGNS,
        plan.table,
        _scratch(),
        plan.code_e164,
        role == "called",
        e164,
        call_class,
        is_extension,
        assumed,
        digits,
    )
    return NormalisedColumn(
        e164, e164 != 0, call_class, is_extension, assumed, digits, data, offsets
    )


def _scratch() -> npt.NDArray[np.uint8]:
    """Give the kernels room for the symbols of one number, twice."""
    return np.zeros((2, 128), np.uint8)


def _read_only(values: Any) -> Any:
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view


def _taken(words: NormalisedColumn, array: Any) -> NormalisedColumn:
    indices = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    texts = array.dictionary_decode()
    data, offsets, _ = text_buffers(texts)
    unknown = CLASSES.index(CallClass.UNKNOWN)

    def pick(values: Any, missing: Any) -> Any:
        return np.append(values, np.array([missing], values.dtype))[indices]

    return NormalisedColumn(
        pick(words.e164, 0),
        pick(words.valid, False),
        pick(words.call_class, unknown),
        pick(words.is_extension, False),
        pick(words.assumed, False),
        pick(words.extension_digits, 0),
        _read_only(data),
        _read_only(offsets),
    )
