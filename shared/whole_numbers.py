"""Unit vectors in whole numbers, whose products come out the same in whatever order they are summed.

Sums in floating point hang on their order, which hangs on how many columns a product has. Whole numbers small enough
are summed exactly in single precision: of two vectors of length L no part of their product is larger than L^2 (Cauchy
and Schwarz), and L^2 stays below 2^24.
"""

import numpy as np

from shared.pool import Floats

LENGTH = np.float32(4_000)
"""Of a vector in whole numbers. Rounding adds up to sqrt(d) / 2, and half precision a two-thousandth."""


def to_whole_numbers(vectors: Floats) -> Floats:
    """The vectors (n, d), unit length, in whole numbers; overwritten, and returned."""
    vectors *= LENGTH
    return np.rint(vectors, out=vectors)
