"""The augmentation section: which recipes are taken, and what is said of those that are not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.augmentation_options import Augmentation
from shared.project import ProjectConfig


def config_of(**recipe: Any) -> ProjectConfig:
    return ProjectConfig.model_validate(
        {"classes": ["common", "rare"], "augmentation": {"recipes": [{"name": "r", **recipe}]}}
    )


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        ({"kind": "guess"}, "does not match any of the expected tags"),
        ({"kind": "replace"}, "give exactly one of words"),
        ({"kind": "replace", "words": {"a": ["b"]}, "lexicon": "l.toml"}, "give exactly one of words"),
        ({"kind": "replace", "words": {" ": ["b"]}}, "should match pattern"),
        ({"kind": "replace", "words": {"a": []}}, "at least 1 item"),
        ({"kind": "wordnet", "url": "https://x/"}, "Extra inputs are not permitted"),
        ({"kind": "wordnet", "classes": ["raer"]}, "augmentation.recipes names 'raer', which is not in classes"),
        ({"kind": "templates", "templates": ["x"]}, "classes"),
        ({"kind": "templates", "templates": ["x"], "classes": ["rare", "common"]}, "at most 1 item"),
        ({"kind": "templates", "templates": ["{a} and {b}"], "slots": {"a": ["1"]}, "classes": ["rare"]}, "add b = "),
        ({"kind": "translate"}, "give exactly one of url"),
        ({"kind": "translate", "url": "https://x/", "function": "m:f"}, "give exactly one of url"),
        ({"kind": "translate", "function": "no function"}, "should match pattern"),
        ({"kind": "translate", "url": "ftp://x/"}, "this is no URL of a translator"),
        ({"kind": "translate", "url": "https://x:port/"}, "https://HOST/PATH"),
        ({"kind": "translate", "url": "https://me:secret@x/"}, "no place for a password"),
        ({"kind": "translate", "url": "http://example.org/t"}, "example.org unencrypted"),
        ({"kind": "translate", "url": "http://127.0.0.1.example.org/t"}, "unencrypted"),
        ({"kind": "translate", "url": "http://localhost@example.org/t"}, "no place for a password"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_with_what_is_wrong(recipe: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault.replace("(", r"\(")):
        config_of(**recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "translate", "url": "http://localhost:5000/t"},
        {"kind": "translate", "url": "http://127.0.0.1/t"},
        {"kind": "translate", "url": "http://[::1]:80/t"},
        {"kind": "translate", "url": "https://example.org"},
        {"kind": "translate", "url": "http://example.org/t", "plain_http": True},
        {"kind": "translate", "function": "package.module:function"},
        {"kind": "templates", "templates": ["{ and }"], "classes": ["rare"]},
    ],
)
def test_a_recipe_that_can_work_is_stored_and_read_as_it_was(recipe: dict[str, Any]) -> None:
    config = config_of(**recipe)
    assert ProjectConfig.model_validate(config.model_dump(mode="json", by_alias=True)) == config


def test_two_recipes_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two recipes have the same name"):
        Augmentation.model_validate({"recipes": [{"name": "r", "kind": "wordnet"}] * 2})


def test_augmentation_is_off_unless_there_is_a_recipe() -> None:
    assert ProjectConfig(classes=("a",)).augmentation.recipes == ()


@given(accepted=st.integers(0, 50), rejected=st.integers(0, 50))
def test_a_recipe_stops_above_its_share_of_rejected_ones_and_never_before_enough_are_reviewed(
    accepted: int, rejected: int
) -> None:
    options = Augmentation(stop_above=0.3, review_at_least=10)
    enough = accepted + rejected >= 10
    assert options.stops(accepted=accepted, rejected=rejected) == (enough and 10 * rejected > 3 * (accepted + rejected))
