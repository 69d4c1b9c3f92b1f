"""A model as an ONNX graph: vectors in, probabilities and decisions out. Pure.

The graph is written node by node, as the classifier is a product and a softmax or sigmoid; a converter for fitted
scikit-learn models knows neither the offsets nor the savings of its decisions.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import QuietCornerError
from workers.training.classifier import LinearModel
from workers.training.export import HIGHEST, LOWEST, exported_arrays

# Old enough for runtimes of 2022, new enough for all that is used here.
_OPSET, _IR_VERSION = 17, 8


def onnx_graph(model: LinearModel, *, encoder: str) -> bytes:
    """The model as a serialised ONNX file.

    Its input `vectors` is (n, d) float32; its outputs are `probabilities` (n, k) float32 and `decisions` (n, k) bool.
    The names of the classes, in order, stand in its metadata as JSON.

    Args:
        model: The classifier.
        encoder: Key of the encoder that the vectors must come from, for the metadata.

    Raises:
        QuietCornerError: the package `onnx` is not installed.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise QuietCornerError(
            "an ONNX file needs the package onnx, which is not installed: pip install 'quietcorner[onnx]'"
        ) from error
    constants, nodes = _constants(model), _nodes(model)
    count, dimension = model.weights.shape
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in nodes],
        "quietcorner",
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", dimension])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", count]),
            helper.make_tensor_value_info("decisions", TensorProto.BOOL, ["n", count]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    built = helper.make_model(
        graph,
        producer_name="quietcorner",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    helper.set_model_props(built, {"classes": json.dumps(model.classes), "encoder": encoder})
    checker.check_model(built, full_check=True)
    blob: bytes = built.SerializeToString()
    return blob


_Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, output, attributes."""


def _constants(model: LinearModel) -> dict[str, NDArray[Any]]:
    shared = {**exported_arrays(model), "lowest": np.array(LOWEST), "highest": np.array(HIGHEST)}
    if model.exclusive:
        return {**shared, "columns": np.arange(len(model.classes))}
    return {**shared, "zero": np.zeros((), dtype=np.float32), "one": np.ones((), dtype=np.float32)}


def _nodes(model: LinearModel) -> list[_Node]:
    first: list[_Node] = [
        ("Gemm", ["vectors", "weights", "bias"], "z", {"transB": 1}),
        ("Softmax", ["z"], "probabilities", {"axis": 1})
        if model.exclusive
        else ("Sigmoid", ["z"], "probabilities", {}),
    ]
    if not model.exclusive:
        return [
            *first,
            ("Clip", ["probabilities", "lowest", "highest"], "kept", {}),
            ("Sub", ["one", "kept"], "rest", {}),
            ("Log", ["kept"], "log_kept", {}),
            ("Log", ["rest"], "log_rest", {}),
            ("Sub", ["log_kept", "log_rest"], "odds", {}),
            ("Add", ["odds", "offsets"], "scores", {}),
            ("GreaterOrEqual", ["scores", "zero"], "decisions", {}),
        ]
    if model.savings is None:
        first.append(("Clip", ["probabilities", "lowest", "highest"], "kept", {}))
    else:
        first += [("MatMul", ["probabilities", "savings"], "saved", {}), ("Max", ["saved", "lowest"], "kept", {})]
    return [
        *first,
        ("Log", ["kept"], "logs", {}),
        ("Add", ["logs", "offsets"], "scores", {}),
        ("ArgMax", ["scores"], "best", {"axis": 1, "keepdims": 1}),
        ("Equal", ["best", "columns"], "decisions", {}),
    ]
