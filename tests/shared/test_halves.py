"""Half precision made single."""

import numpy as np

from shared.halves import widen


def test_every_finite_half_becomes_the_same_number_with_its_sign() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    wide = widen(halves)
    assert wide.dtype == np.float32
    assert np.array_equal(wide.view(np.uint32), halves.astype(np.float32).view(np.uint32))


def test_part_of_a_row_can_be_widened_and_what_is_wide_is_copied() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float16)
    assert np.array_equal(widen(rows[1:, :3]), rows[1:, :3].astype(np.float32))
    wide = rows.astype(np.float32)
    assert np.array_equal(widen(wide), wide)
    assert widen(wide) is not wide
