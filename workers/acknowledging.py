"""A worker that could not acknowledge a hint goes on: the room that it took is free again.

kombu takes a message out of a worker's window only after Redis has noted the acknowledgement. Where Redis kept silent
for longer than a socket waits, the acknowledgement is lost, the connection over which messages come is not, and a
worker whose window is one message wide never asks for another. Here the window is freed all the same; the message lies
in Redis as unacknowledged until its visibility timeout, and then comes once more, which no hint minds.
"""

from kombu.transport import redis, virtual


class _QoS(redis.QoS):
    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; where Redis does not hear of it, this worker takes it for done, and says so."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call] # kombu's
        except Exception:
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # likewise
            raise


def free_the_window() -> None:
    """Let all channels to Redis that this process opens from now on behave so."""
    redis.Channel.QoS = _QoS
