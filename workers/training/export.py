"""A model on its own: arrays, and a document that says in words and formulas how to compute with them. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.training.classifier import LinearModel

ARRAYS_FILE, DOCUMENT_FILE, ONNX_FILE = "weights.safetensors", "model.json", "model.onnx"
LEXICON_FILE = "lexicon.safetensors"

# Probabilities are kept within these before their logarithm is taken, as `classifier.log_scores` does.
LOWEST, HIGHEST = np.float32(1e-30), np.float32(1 - 1e-7)
_X = (
    "x: the text's vector by the encoder, divided by its Euclidean length and rounded to half precision (float16), "
    "as the vectors were on which the model was trained"
)
_LEXICAL = (
    "c: how often the text holds what falls into each bucket, by scikit-learn's HashingVectorizer with norm=None, "
    "alternate_sign=False and n_features=16384: first the buckets of analyzer='word', ngram_range=(1, 2), then those "
    "of analyzer='char_wb', ngram_range=(3, 5)",
    "w = (1 + ln(c)) * lexicon[:, 0] where c > 0, else 0; each half of w is divided by its Euclidean length, and w by "
    "the square root of 2",
    "x = x followed by w @ lexicon[:, 1:], rounded to half precision (float16)",
)
# Takes a class that no label has taught out of the choice by expected savings, where its own probability says little.
_NEVER = np.float32(-1_000.0)


def exported_arrays(model: LinearModel) -> dict[str, NDArray[np.float32]]:
    """What `document` speaks of: weights (k, d), bias (k,), offsets (k,), and where there are any savings (k, k)."""
    arrays = {"weights": model.weights, "bias": model.bias, "offsets": model.offsets}
    if model.savings is not None:
        arrays["offsets"] = np.where(model.learned, model.offsets, _NEVER)
        arrays["savings"] = model.savings
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def document(
    model: LinearModel, *, encoder: str, facts: Mapping[str, Any], lexicon: NDArray[np.float16] | None = None
) -> dict[str, Any]:
    """What a reader without Quiet Corner has to know, JSON-ready.

    Args:
        model: The classifier.
        encoder: Name by which sentence-transformers, or Quiet Corner, knows the encoder.
        facts: Of the version: see `workers.reporting.models.describe_version`.
        lexicon: (b, 1 + k) table of the lexicon, where the model looks at lexical features.
    """
    arrays = exported_arrays(model)
    features = 0 if lexicon is None else lexicon.shape[1] - 1
    return {
        "format": "quietcorner.model.v1",
        "classes": list(model.classes),
        "exclusive": model.exclusive,
        "arrays": {"file": ARRAYS_FILE, **{name: list(array.shape) for name, array in arrays.items()}},
        "encoder": {
            "name": encoder,
            "key": facts["encoder"],
            "dimension": model.weights.shape[1] - features,
            "unit_length": True,
        },
        **({} if lexicon is None else {"lexicon": {"file": LEXICON_FILE, "lexicon": list(lexicon.shape)}}),
        "thresholds": dict(zip(model.classes, arrays["offsets"].tolist(), strict=True)),
        "how": [_X, *(() if lexicon is None else _LEXICAL), *_how(model)],
        "version": dict(facts),
    }


def _how(model: LinearModel) -> list[str]:
    steps = ["z = weights @ x + bias"]
    if not model.exclusive:
        return [
            *steps,
            "p = 1 / (1 + exp(-z)): the probability of each class; an item may have several classes or none",
            f"q = p, but at least {LOWEST:g} and at most 1 - 1e-7",
            "an item is of a class where ln(q) - ln(1 - q) + offsets >= 0",
        ]
    steps.append("p = exp(z) / sum(exp(z)): the probability of each class; an item has exactly one class")
    if model.savings is None:
        return [
            *steps,
            f"q = p, but at least {LOWEST:g} and at most 1 - 1e-7",
            "the item's class is the one with the highest ln(q) + offsets; of equal ones the first",
        ]
    return [
        *steps,
        "s = p @ savings: what deciding for each class saves, on average, against the dearest decision",
        f"the item's class is the one with the highest ln(max(s, {LOWEST:g})) + offsets; of equal ones the first",
    ]
