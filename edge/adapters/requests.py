"""Requests from the broker into the daemon's inbox, and their answers back. What a request does is the desk's."""

from __future__ import annotations

from collections.abc import Callable

from edge.adapters.answers import BUSY, payload_of, refusal
from edge.contract.messages import Request, Response
from edge.contract.topics import BY_NAME, Topics
from edge.errors import LinkError, MessageError
from edge.inbox import Asked
from edge.log import get_logger
from edge.ports import Handover, Incoming, Link

_log = get_logger("requests")


class NetworkRequests:
    """A `LinkListener`. Its methods run on the link's thread: they queue, and raise nothing."""

    def __init__(self, topics: Topics, door: str, link: Link, ask: Callable[[Asked], bool]) -> None:
        """ask: hands a request to the daemon; False when it is too busy."""
        self._topics = topics
        self._door = door
        self._link = link
        self._ask = ask
        self._ours = topics.filter("request", door).removesuffix("+")

    def on_connected(self, connection: int) -> None:
        """Nothing to do: subscriptions are the link's."""

    def on_disconnected(self) -> None:
        """Nothing to do."""

    def on_delivered(self, token: str, refused: str | None) -> None:
        """Nothing to do: answers go without a token."""

    def on_message(self, message: Incoming) -> None:
        if not message.topic.startswith(self._ours):
            return
        place = self._topics.read(message.topic)
        if place is None:
            _log.warning("a request was refused", reason="its topic names no verb", topic=message.topic)
            self._link.acknowledge(message)  # or the broker would send it again and again
            return
        try:
            request = Request.of_topic(place.verb, message.payload)
        except MessageError as error:
            _log.warning("a request was refused", reason=error)
            self._answer(message, refusal(place.verb, str(error)))
            return
        if not self._ask(Asked(request, lambda response: self._answer(message, response), local=False)):
            self._answer(message, refusal(place.verb, BUSY, request.transaction, code=LinkError.exit_code))

    def _answer(self, message: Incoming, response: Response) -> None:
        """Where the asker wants it, if that is a topic to answer on; the request is done with only now."""
        asked_for = message.response_topic
        usual = self._topics.name("response", self._door, response.verb)
        topic = asked_for if asked_for and self._topics.may_answer_to(asked_for) else usual
        if self._publish(topic, response, message) is Handover.TOO_LARGE:
            reason = "the answer is larger than the broker takes"
            self._publish(topic, refusal(response.verb, reason, response.transaction), message)
        self._link.acknowledge(message)

    def _publish(self, topic: str, response: Response, message: Incoming) -> Handover:
        qos = BY_NAME["response"].qos
        return self._link.publish(topic, payload_of(response), qos=qos, correlation=message.correlation)
