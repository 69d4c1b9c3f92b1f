"""What becomes of a worker's window when an acknowledgement is lost, on real Redis that keeps silent."""

import signal
from typing import Any

import psutil
import pytest

from shared.settings import Settings
from shared.streams import connect
from workers.app import app

QUIET_S = 0.3


@pytest.fixture
def channel(redis_settings: Settings) -> Any:
    options = {"socket_timeout": QUIET_S, "retry_on_timeout": False}
    with app.connection(redis_settings.broker_url, transport_options=options) as connection:
        yield connection.channel()


def take_one(channel: Any) -> Any:
    channel.queue_declare("hints")
    channel.basic_publish(channel.prepare_message("a hint"), exchange="", routing_key="hints")
    message = channel.basic_get("hints")
    assert message is not None
    return message


def test_a_lost_acknowledgement_frees_the_window_and_is_said(channel: Any, redis_settings: Settings) -> None:
    channel.basic_qos(0, 1, False)
    message = take_one(channel)
    assert not channel.qos.can_consume()
    with connect(redis_settings) as client:
        server: Any = client.info("server")
    process = psutil.Process(server["process_id"])
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(channel.connection.connection_errors):
            channel.basic_ack(message.delivery_tag)
    finally:
        process.send_signal(signal.SIGCONT)
    assert channel.qos.can_consume()


def test_an_acknowledged_message_is_gone(channel: Any, redis_settings: Settings) -> None:
    channel.basic_qos(0, 1, False)
    message = take_one(channel)
    channel.basic_ack(message.delivery_tag)
    assert channel.qos.can_consume()
    with connect(redis_settings) as client:
        assert client.exists("unacked") == 0
