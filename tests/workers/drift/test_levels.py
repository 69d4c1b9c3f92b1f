import pytest

from workers.drift.levels import Level, level_of, opens_campaign


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, "note"), (0.0199, "note"), (0.02, "warn"), (0.05, "warn"), (0.0501, "act"), (1.0, "act")],
)
def test_the_affected_share_sets_the_level(share: float, level: str) -> None:
    assert level_of(share, content=True, mix=False) == level
    assert level_of(share, content=True, mix=True) == level


def test_without_an_alarm_a_window_is_quiet_and_a_changed_mix_alone_is_a_note() -> None:
    assert level_of(0.0, content=False, mix=False) is Level.QUIET
    assert level_of(0.0, content=False, mix=True) is Level.NOTE


@pytest.mark.parametrize(
    ("levels", "opens"),
    [
        ([], False),
        (["act"], True),
        (["warn"], False),
        (["warn", "warn"], True),
        (["warn", "quiet", "warn"], True),
        (["warn", "quiet", "quiet", "warn"], False),
        (["act", "quiet", "warn"], True),
        (["act", "quiet"], False),
        (["warn", "warn", "quiet"], False),
        (["note", "note", "note"], False),
    ],
)
def test_a_campaign_opens_at_act_or_at_the_second_warning_in_three_windows(levels: list[str], opens: bool) -> None:
    assert opens_campaign(levels, windows_since_campaign=None) is opens


def test_what_lasts_opens_a_campaign_however_little_it_is() -> None:
    assert opens_campaign(["note"], windows_since_campaign=None, lasts=True)
    assert not opens_campaign(["note"], windows_since_campaign=1, lasts=True)


@pytest.mark.parametrize(("windows", "opens"), [(1, False), (3, False), (4, True)])
def test_three_windows_after_a_campaign_open_none(windows: int, opens: bool) -> None:
    assert opens_campaign(["act"], windows_since_campaign=windows) is opens
