"""What is exported computes what the classifier computes."""

import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import QuietCornerError
from shared.pool import Floats, Mask
from tests.models import plain_model
from workers.training import classifier, onnx_graph
from workers.training.classifier import LinearModel
from workers.training.export import document, exported_arrays


def made_up(classes: int, *, exclusive: bool, savings: bool, seed: int) -> tuple[LinearModel, Floats]:
    """A model with offsets, which has never seen its last class, and vectors to ask it about."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(120, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = max(classes - 1, 2)
    targets = np.zeros((120, classes), dtype=bool)
    targets[np.arange(120), rng.integers(known, size=120)] = True
    if not exclusive:
        targets[:, :known] |= rng.random((120, known)) < 0.2
    model = plain_model(vectors, targets, exclusive=exclusive, strength=100.0)
    offsets = np.where(model.learned, rng.normal(scale=2, size=classes), 0).astype(np.float32)
    saved = rng.random((classes, classes)).astype(np.float32) if savings else None
    return replace(model, offsets=offsets, savings=saved), vectors


def by_classifier(model: LinearModel, vectors: Floats) -> tuple[Floats, Mask]:
    probability = classifier.probabilities(model, vectors.astype(np.float16), np.arange(len(vectors)))
    return probability, classifier.decide(model, probability)


def decided_alike(model: LinearModel, vectors: Floats, decisions: Mask) -> bool:
    """Whether decisions are the classifier's, but for items whose two best scores are equal to rounding."""
    probability, expected = by_classifier(model, vectors)
    scores = classifier.decision_scores(model, probability)
    if model.exclusive:
        best = np.sort(scores, axis=1)[:, -2:]
        clear = best[:, 1] - best[:, 0] > 1e-4
        return bool((decisions == expected)[clear].all())
    return bool((decisions == expected)[np.abs(scores) > 1e-4].all())


@given(classes=st.integers(3, 9), kind=st.sampled_from(["single", "costs", "multi"]), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_onnx_file_says_what_the_classifier_says(classes: int, kind: str, seed: int) -> None:
    model, vectors = made_up(classes, exclusive=kind != "multi", savings=kind == "costs", seed=seed)
    session = onnxruntime.InferenceSession(onnx_graph.onnx_graph(model, encoder="e@1"))
    probability, decisions = session.run(None, {"vectors": vectors.astype(np.float16).astype(np.float32)})
    assert np.abs(probability - by_classifier(model, vectors)[0]).max() < 1e-5
    assert decided_alike(model, vectors, decisions)


def test_the_onnx_file_names_its_classes_and_its_encoder() -> None:
    model, _ = made_up(3, exclusive=True, savings=False, seed=0)
    session = onnxruntime.InferenceSession(onnx_graph.onnx_graph(model, encoder="e@1"))
    assert session.get_modelmeta().custom_metadata_map == {
        "classes": '["class-0", "class-1", "class-2"]',
        "encoder": "e@1",
    }


@given(classes=st.integers(3, 9), kind=st.sampled_from(["single", "costs", "multi"]), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_formulas_of_the_document_say_what_the_classifier_says(classes: int, kind: str, seed: int) -> None:
    model, vectors = made_up(classes, exclusive=kind != "multi", savings=kind == "costs", seed=seed)
    arrays = exported_arrays(model)
    z = vectors.astype(np.float16).astype(np.float32) @ arrays["weights"].T + arrays["bias"]
    if model.exclusive:
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        s = np.maximum(p @ arrays["savings"], 1e-30) if "savings" in arrays else np.clip(p, 1e-30, 1 - 1e-7)
        decisions = (np.log(s) + arrays["offsets"]).argmax(axis=1)[:, None] == np.arange(classes)
    else:
        p = 1 / (1 + np.exp(-z))
        q = np.clip(p, 1e-30, 1 - 1e-7)
        decisions = np.log(q) - np.log(1 - q) + arrays["offsets"] >= 0
    assert np.abs(p - by_classifier(model, vectors)[0]).max() < 1e-5
    assert decided_alike(model, vectors, decisions)
    told = " ".join(document(model, encoder="e", facts={"encoder": "e@1"})["how"])
    assert ("savings" in told) == (kind == "costs")
    assert ("several classes" in told) == (kind == "multi")


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    model, _ = made_up(3, exclusive=True, savings=False, seed=0)
    with pytest.raises(QuietCornerError, match=r"quietcorner\[onnx\]"):
        onnx_graph.onnx_graph(model, encoder="e@1")
