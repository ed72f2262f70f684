"""One connection to the broker, by one paho client that one thread drives, from the greeting to the goodbye.

paho's own thread is not used: whatever fails here is raised to the caller, and nothing but this thread ever touches the
client, so its locks cannot bite. paho's callbacks only store what came. A new connection gets a new client, so no state
of paho's lives on; what was sent and not acknowledged is in `unsettled`. When to connect, and what to send again, is
left to `mqtt.py`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters.mqtt_errors import BrokerError, cannot_connect, closed_early, refused, sent_away, tls_failed
from edge.adapters.mqtt_settings import LinkSettings, Subscription
from edge.adapters.mqtt_tls import password, tls_alert, tls_context

_CONNECT_WITHIN_S = 10.0
_ANSWER_WITHIN_S = 10.0
_WINDOW = 20  # messages under way at once, ours as well as the broker's; Mosquitto's own default
_OVERHEAD_BYTES = 512  # of a publish beside topic and payload: lengths, packet id, correlation and reply topic


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published. token: whose delivery somebody wants to know of.

    correlation, response_topic: for whoever answers, with MQTT 5 alone.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    correlation: bytes | None = None
    token: str | None = None
    response_topic: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came. topic is None where it is no UTF-8. number: of the session; mid, qos: to acknowledge it."""

    topic: str | None
    payload: bytes
    retained: bool
    response_topic: str | None
    correlation: bytes | None
    number: int
    mid: int
    qos: int


class Session:
    """See the module. `open` first; then `turn` again and again, `send` and `acknowledge` between; `close` at last."""

    def __init__(self, settings: LinkSettings, number: int) -> None:
        self.number = number
        self.received: deque[Received] = deque()
        self.settled: deque[tuple[Outgoing, str | None]] = deque()
        self.denied: deque[str] = deque()
        self.max_packet_bytes = settings.max_packet_bytes
        self.session_present = False
        self._settings = settings
        self._mqtt5 = settings.protocol == "5"
        self._window = _WINDOW
        self._under_way: dict[int, Outgoing] = {}
        self._asked: dict[int, Sequence[Subscription]] = {}
        self._answer: tuple[ReasonCode, Properties | None] | None = None
        self._farewell: ReasonCode | None = None
        self._last_error = ""
        self._client: Client | None = None

    def open(self) -> None:
        """Connect, greet and wait for the answer, at most about twenty seconds.

        Raises:
            BrokerError: why not, in one line.
        """
        client = self._client = self._make_client()
        extra: dict[str, Any] = {"clean_start": False, "properties": self._greeting()} if self._mqtt5 else {}
        try:
            client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s, **extra)
        except (OSError, ValueError) as error:
            raise cannot_connect(self._settings, error, time.time()) from None
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while self._answer is None or self._answer[0].is_failure:  # paho ends the connection after a refusal
            if time.monotonic() > deadline:
                raise BrokerError("silent", f"{self._settings.broker} takes connections but does not speak MQTT")
            self.turn(None, 0.2)
        self._accept(self._answer[1])

    @property
    def room(self) -> int:
        """How many more messages may be under way."""
        return self._window - len(self._under_way)

    @property
    def unsettled(self) -> list[Outgoing]:
        """Sent and not acknowledged, the oldest first."""
        return list(self._under_way.values())

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask for them all; what is denied comes in `denied`."""
        if not subscriptions:
            return
        if self._mqtt5:
            never = SubscribeOptions.RETAIN_DO_NOT_SEND
            options = [
                SubscribeOptions(
                    qos=s.qos, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if s.retained else never
                )
                for s in subscriptions
            ]
            _, mid = self._made.subscribe([(s.filter, o) for s, o in zip(subscriptions, options, strict=True)])
        else:
            _, mid = self._made.subscribe([(s.filter, int(s.qos)) for s in subscriptions])
        if mid is not None:
            self._asked[mid] = subscriptions

    def send(self, message: Outgoing) -> None:
        """Publish. With QoS 1 it turns up in `settled` when the broker has it.

        Raises:
            ValueError: the topic is none that may be published to.
        """
        info = self._made.publish(
            message.topic, message.payload, message.qos, message.retain, self._properties(message)
        )
        if message.qos == 0:
            self.settled.append((message, None))
        else:
            self._under_way[info.mid] = message

    def acknowledge(self, mid: int, qos: int) -> None:
        """Tell the broker that a received message is done with."""
        self._made.ack(mid, qos)

    def turn(self, wake: socket.socket | None, timeout_s: float) -> None:
        """Read and write what is there; wait for it up to `timeout_s`, or until `wake` has something to read.

        Raises:
            BrokerError: the connection is lost.
        """
        client, sock = self._made, self._made.socket()
        if sock is None:
            raise self._lost()
        if _wait(sock, wake, timeout_s, writing=client.want_write()):
            client.loop_read()
        if client.want_write():
            client.loop_write()
        client.loop_misc()
        if client.socket() is None:
            raise self._lost()

    def disconnect(self) -> None:
        """Part as friends: the broker forgets the will."""
        self._made.disconnect()

    def close(self) -> None:
        """Drop the connection; unless `disconnect` was called the broker sends the will."""
        sock = self._client.socket() if self._client is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        self._client = None

    @property
    def _made(self) -> Client:
        if self._client is None:
            raise BrokerError("closed", f"the connection to {self._settings.broker} is closed")
        return self._client

    def _make_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if self._mqtt5 else settings.session_expiry_s == 0,
            protocol=MQTTProtocolVersion.MQTTv5 if self._mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_WITHIN_S
        client.max_inflight_messages_set(2 * _WINDOW)  # never reached: `room` is ours to keep
        context = tls_context(settings)
        if context is not None:
            client.tls_set_context(context)
        if settings.username:
            client.username_pw_set(settings.username, password(settings))
        if settings.availability:
            client.will_set(settings.availability, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        return client

    def _greeting(self) -> Properties:
        properties = _new_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        properties.ReceiveMaximum = _WINDOW
        properties.MaximumPacketSize = self._settings.max_packet_bytes + _OVERHEAD_BYTES
        return properties

    def _accept(self, properties: Properties | None) -> None:
        largest = getattr(properties, "MaximumPacketSize", None)
        if largest is not None:
            self.max_packet_bytes = min(self.max_packet_bytes, largest - _OVERHEAD_BYTES)
        self._window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))

    def _properties(self, message: Outgoing) -> Properties | None:
        if not self._mqtt5 or (message.correlation is None and message.response_topic is None):
            return None
        properties = _new_properties(PacketTypes.PUBLISH)
        if message.correlation is not None:
            properties.CorrelationData = message.correlation
        if message.response_topic is not None:
            properties.ResponseTopic = message.response_topic
        return properties

    def _lost(self) -> BrokerError:
        if self._answer is not None and self._answer[0].is_failure:
            return refused(self._settings, self._answer[0].value, str(self._answer[0]))
        if self._farewell is not None:
            return sent_away(self._settings, self._farewell.value, str(self._farewell))
        alert = self._last_error if "[SSL: " in self._last_error else ""
        if self._answer is None and not alert:
            alert = tls_alert(self._settings)
        if alert:
            return tls_failed(self._settings, alert)
        if self._answer is None:
            return closed_early(self._settings)
        return BrokerError("lost", f"the connection to {self._settings.broker} was lost")

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.session_present = flags.session_present
        self._answer = (reason, properties)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._farewell = reason

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic: str | None = message.topic
        except UnicodeDecodeError:
            topic = None
        self.received.append(
            Received(
                topic=topic,
                payload=bytes(message.payload),
                retained=message.retain,
                response_topic=getattr(message.properties, "ResponseTopic", None),
                correlation=getattr(message.properties, "CorrelationData", None),
                number=self.number,
                mid=message.mid,
                qos=message.qos,
            )
        )

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        message = self._under_way.pop(mid, None)
        if message is not None:
            self.settled.append((message, str(reason) if reason.is_failure else None))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for subscription, reason in zip(self._asked.pop(mid, ()), reasons, strict=False):
            if reason.is_failure:
                self.denied.append(f"{subscription.filter} ({reason})")

    def _on_log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = text


def fits(filter_: str, topic: str) -> bool:
    """Whether a subscription to `filter_` brings `topic`."""
    return topic_matches_sub(filter_, topic)


def _new_properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call] # paho left this constructor untyped


def _wait(sock: Any, wake: socket.socket | None, timeout_s: float, *, writing: bool) -> bool:
    """Until one of the sockets has something to do. True if `sock` can be read."""
    if getattr(sock, "pending", int)() > 0:  # TLS has decrypted more than was read: select would not see it
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0))
        if wake is not None:
            selector.register(wake, selectors.EVENT_READ)
        ready = selector.select(timeout_s)
    for key, _ in ready:
        if key.fileobj is wake and wake is not None:
            wake.recv(4096)
    return any(key.fileobj is sock and mask & selectors.EVENT_READ for key, mask in ready)
