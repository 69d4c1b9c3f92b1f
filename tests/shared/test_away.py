"""What a real Redis says while it takes nothing is no fault of the work, whatever the server's reason."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from shared.away import is_away
from shared.streams import connect
from tests.live import wait_for
from tests.servers import make_settings, running_redis, short_folder


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """A server of its own, which a test may spoil."""
    with short_folder() as folder, running_redis(make_settings(folder)):
        yield connect(make_settings(folder), again=False)


def has_no_room(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)


def became_a_copy(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", 1)


def cannot_save(client: redis.Redis) -> None:
    (Path(str(client.config_get("dir")["dir"])) / "taken").mkdir()
    client.config_set("dbfilename", "taken")
    client.config_set("save", "3600 1")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="a save that fails")


@pytest.mark.parametrize("happening", [has_no_room, became_a_copy, cannot_save], ids=lambda f: f.__name__)
def test_a_redis_that_takes_nothing_is_away(client: redis.Redis, happening: Callable[[redis.Redis], None]) -> None:
    happening(client)
    with pytest.raises(redis.ResponseError) as refused:
        client.xadd("tasks", {"text": "MISCONF"})
    assert is_away(refused.value)
    pipe = client.pipeline(transaction=False)
    pipe.xadd("tasks", {"text": "MISCONF"})
    with pytest.raises(redis.ResponseError) as refused_in_pipeline:
        pipe.execute()
    assert is_away(refused_in_pipeline.value)


def test_a_command_that_redis_does_not_take_is_a_fault_of_the_work(redis_client: redis.Redis) -> None:
    redis_client.set("tasks", "no stream")
    with pytest.raises(redis.ResponseError) as refused:
        redis_client.xadd("tasks", {"text": "MISCONF"})
    assert not is_away(refused.value)
