"""Arrays with a JSON header as bytes: the safetensors format, which holds no code."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save


def dump_arrays(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> bytes:
    """Pack named arrays with a header of JSON values."""
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"json": json.dumps(header)})


def load_arrays(blob: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `dump_arrays` wrote: the arrays by name, and the header."""
    length = int.from_bytes(blob[:8], "little")  # the format: length of the header, the header, the arrays
    header: dict[str, Any] = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["json"])
    return load(blob), header
