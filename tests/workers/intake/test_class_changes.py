"""What may change in a project's configuration, and what becomes of the names of its classes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.labels import in_force, parse_label
from shared.project import ProjectConfig
from workers.intake.class_changes import check_answers, parse_moves, updated_config


def config(*classes: str, **options: Any) -> ProjectConfig:
    return ProjectConfig.model_validate({"classes": classes, **options})


def test_renames_and_merges_are_read() -> None:
    assert parse_moves(["a=b"], ["c,d=e", "f,g=g"]) == {"a": "b", "c": "e", "d": "e", "f": "g"}


@pytest.mark.parametrize(
    ("renames", "merges", "fault"),
    [
        (["a"], [], "--rename 'a': OLD=NEW is expected"),
        (["=b"], [], "--rename '=b'"),
        ([], ["a=b"], "--merge 'a=b': A,B=C, two classes or more, is expected"),
        (["a=b"], ["a,c=d"], "'a' was said to become 'b'"),
    ],
)
def test_what_is_no_move_is_refused(renames: list[str], merges: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        parse_moves(renames, merges)


@pytest.mark.parametrize(
    ("wanted", "moves", "renamed", "fault"),
    [
        (config("a", "b", task="multi"), {}, [], "task = 'multi': the project has 'single' and it can't change"),
        (config("a", "b", encoder="other"), {}, [], "encoder = 'other'.*it can't change"),
        (config("a", "b", seed=3), {}, [], "seed = 3.*it can't change"),
        (config("a", "c"), {"x": "c"}, [], "the project has no such class; it has: a, b"),
        (config("a", "b"), {"b": "c"}, [], "class 'c': it has to stand in classes"),
        (config("a", "b", "c"), {"b": "c"}, [], "class 'b': it is to become 'c', so take it out"),
        (config("a"), {"b": "a"}, ["b"], "'a' is another class already; to join them: --merge b,a=a"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    wanted: ProjectConfig, moves: dict[str, str], renamed: list[str], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        updated_config(config("a", "b"), wanted, moves, renamed=renamed)


def test_former_names_go_along_with_later_renames_and_end_when_a_class_is_called_so_again() -> None:
    first = updated_config(config("a", "b"), config("c", "b"), {"a": "c"})
    second = updated_config(first, config("d", "b"), {"c": "d"})
    back = updated_config(second, config("a", "b"), {"d": "a"})
    assert first.former_classes == {"a": "c"}
    assert second.former_classes == {"a": "d", "c": "d"}
    assert back.former_classes == {"c": "a", "d": "a"}


def test_a_new_class_by_a_former_name_is_refused() -> None:
    renamed = updated_config(config("a", "b"), config("c", "b"), {"a": "c"})
    with pytest.raises(ConfigError, match="class 'a': answers of that name count for 'c'"):
        updated_config(renamed, config("a", "b", "c"), {})


def test_a_file_that_states_older_former_names_forgets_none() -> None:
    first = updated_config(config("a", "b", "x", "y"), config("c", "b", "x", "y", former_classes={}), {"a": "c"})
    second = updated_config(first, config("c", "b", "z", former_classes={}), {"x": "z", "y": "z"})
    assert second.former_classes == {"a": "c", "x": "z", "y": "z"}


def test_a_file_that_states_the_former_names_otherwise_takes_a_rename_and_a_merge_back() -> None:
    renamed = updated_config(config("a", "b"), config("c", "b"), {"a": "c"})
    back = updated_config(renamed, config("a", "b", former_classes={"c": "a"}), {})
    merged = updated_config(config("a", "b"), config("c"), {"a": "c", "b": "c"})
    apart = updated_config(merged, config("a", "b", former_classes={}), {})
    assert back.former_classes == {"c": "a"}
    assert (apart.classes, apart.former_classes) == (("a", "b"), {})
    with pytest.raises(ConfigError, match=r"'c' \(3 submissions\) would be dropped"):
        check_answers({"a": 5, "c": 3}, apart)


def test_a_project_file_without_the_former_names_keeps_them_and_may_state_them() -> None:
    renamed = updated_config(config("a", "b"), config("c", "b"), {"a": "c"})
    assert updated_config(renamed, config("c", "b"), {}) == renamed
    assert updated_config(renamed, config("c", "b", former_classes={"a": "c"}), {}) == renamed
    stated = updated_config(config("a", "b"), config("c", "b", former_classes={"a": "c"}), {})
    assert stated == renamed


def test_answered_classes_are_not_dropped_and_the_others_are() -> None:
    check_answers({"a": 5}, config("a"))
    with pytest.raises(ConfigError, match=r"'b' \(7 submissions\).*--rename b=NEW"):
        check_answers({"a": 5, "b": 7}, config("a"))


def test_an_answer_under_a_former_name_is_taken_as_it_came() -> None:
    project = config("c", "b", former_classes={"a": "c"})
    assert parse_label("a", config=project) == "a"
    assert in_force("a", project.former_classes) == "c"
    several = project.model_copy(update={"task": "multi"})
    assert parse_label(["b", "a"], config=several) == ["a", "b"]
    assert in_force(["a", "b", "c"], project.former_classes) == ["b", "c"]


NAMES = st.sampled_from(["a", "b", "c", "d"])
SPANS = st.builds(
    lambda start, length, label: {"start": start, "end": start + length, "label": label},
    st.integers(0, 5),
    st.integers(1, 3),
    NAMES,
)


@given(
    label=st.one_of(NAMES, st.lists(NAMES, max_size=4), st.lists(SPANS, max_size=4)),
    former=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["c", "d"])),
)
def test_a_label_in_force_is_canonical_and_holds_no_former_name(label: Any, former: dict[str, str]) -> None:
    task = "single" if isinstance(label, str) else "ner" if label and isinstance(label[0], dict) else "multi"
    everything = config("a", "b", "c", "d", task=task)
    today = config(*(name for name in "abcd" if name not in former), task=task, former_classes=former)
    now = in_force(parse_label(label, config=everything), former)
    assert parse_label(now, config=today) == now
    assert in_force(now, former) == now
