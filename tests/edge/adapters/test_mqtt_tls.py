"""TLS, passwords and access rules with a real broker: what works, and the line that tells why something does not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from edge.adapters.mqtt import try_connection
from edge.adapters.mqtt_errors import cannot_connect
from edge.adapters.mqtt_settings import LinkSettings
from edge.errors import LinkError
from tests.fakes.broker import Broker
from tests.fakes.certificates import Authority, Issued
from tests.fakes.link import BASE, EVENTS, Listener, make_link, running, settings_for
from tests.fakes.log_lines import lines
from tests.fakes.world import wait_until

pytestmark = pytest.mark.broker

MakeBroker = Callable[..., Broker]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Another authority")


def refusal(settings: LinkSettings) -> str:
    with pytest.raises(LinkError) as caught:
        try_connection(settings)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    return text


def with_certificate(port: int, authority: Authority, own: Issued) -> LinkSettings:
    return settings_for(port, ca_file=authority.file, cert_file=own.cert, key_file=own.key)


# ---- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_tls_with_a_certificate_of_the_door_s_own(make_broker: MakeBroker, authority: Authority, protocol: str) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    door = authority.issue("front")
    listener = Listener()
    link = make_link(broker.port, protocol=protocol, ca_file=authority.file, cert_file=door.cert, key_file=door.key)
    with running(link, listener):
        for number in range(30):
            assert link.publish(EVENTS, bytes(5000), token=f"t{number}")
        wait_until(lambda: len(listener.delivered) == 30, "all are delivered over TLS")


def test_a_certificate_and_its_key_may_be_one_file(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    door = authority.issue("front")
    door.cert.write_bytes(door.cert.read_bytes() + door.key.read_bytes())
    try_connection(settings_for(broker.port, ca_file=authority.file, cert_file=door.cert))


def test_a_broker_of_another_authority(make_broker: MakeBroker, authority: Authority, stranger: Authority) -> None:
    broker = make_broker(tls=stranger.issue("broker"))
    assert refusal(settings_for(broker.port, ca_file=authority.file)) == (
        f"the certificate of 127.0.0.1:{broker.port} is not signed by an authority in mqtt.ca_file ({authority.file}); "
        "put the right one there"
    )


def test_a_wrong_authority_is_one_line_in_the_log(
    make_broker: MakeBroker, authority: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker(tls=stranger.issue("broker"))
    with running(make_link(broker.port, ca_file=authority.file), Listener(), wait=False) as link:
        wait_until(lambda: broker.log.read_text().count("New connection") >= 5, "it tries again")
        assert link.problem is not None
    assert len(lines(caplog)) == 1
    assert "not signed by an authority in mqtt.ca_file" in lines(caplog)[0]
    assert "Traceback" not in caplog.text


def test_a_broker_whose_certificate_has_expired(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker(tls=authority.issue("broker", from_days=-30, to_days=-1))
    text = refusal(settings_for(broker.port, ca_file=authority.file))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert text.startswith(
        f"the certificate of 127.0.0.1:{broker.port} has expired by this device's clock, which says {today}"
    )
    assert text.endswith("renew it, or set the clock")


def test_a_certificate_that_is_not_valid_yet_as_when_the_clock_is_not_set(
    make_broker: MakeBroker, authority: Authority
) -> None:
    broker = make_broker(tls=authority.issue("broker", from_days=2, to_days=30))
    text = refusal(settings_for(broker.port, ca_file=authority.file))
    assert "is not valid yet by this device's clock, which says" in text
    assert text.endswith("set the clock (NTP), or wait for it")


def test_the_log_tells_a_changing_clock_once(
    make_broker: MakeBroker, authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make_broker(tls=authority.issue("broker", from_days=2, to_days=30))
    days = iter(range(1000))
    monkeypatch.setattr("edge.adapters.mqtt_session.time.time", lambda: next(days) * 86_400.0)
    with running(make_link(broker.port, ca_file=authority.file), Listener(), wait=False):
        wait_until(lambda: broker.log.read_text().count("New connection") >= 5, "it tries again")
    assert len(caplog.records) == 1
    assert "clock, which says 1970-01-01 00:00 UTC" in caplog.text


def test_a_broker_of_another_name(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker(tls=authority.issue("broker", host="broker.example"))
    text = refusal(settings_for(broker.port, ca_file=authority.file))
    assert text.endswith("is for another name than 127.0.0.1; set mqtt.host to the name that it is for")


def test_a_broker_that_wants_a_certificate_of_the_door(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    text = refusal(settings_for(broker.port, ca_file=authority.file))
    assert text.endswith("asks for a certificate of this door; set mqtt.cert_file and mqtt.key_file")


def test_a_door_s_certificate_of_another_authority(
    make_broker: MakeBroker, authority: Authority, stranger: Authority
) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    text = refusal(with_certificate(broker.port, authority, stranger.issue("front")))
    assert text.endswith("does not know the authority that signed mqtt.cert_file; have it signed by the broker's")


def test_a_door_s_certificate_that_has_expired(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    text = refusal(with_certificate(broker.port, authority, authority.issue("front", from_days=-30, to_days=-1)))
    assert text.endswith("says that the certificate in mqtt.cert_file has expired; renew it")


def test_a_door_s_revoked_certificate(make_broker: MakeBroker, authority: Authority, tmp_path: Path) -> None:
    door = authority.issue("front")
    revoked = authority.revoke(door)
    broker = make_broker("require_certificate true", f"crlfile {revoked}", tls=authority.issue("broker"))
    text = refusal(with_certificate(broker.port, authority, door))
    assert text.endswith("says that the certificate in mqtt.cert_file was revoked; get a new one")


def test_a_renewed_certificate_is_used_without_a_restart(make_broker: MakeBroker, authority: Authority) -> None:
    broker = make_broker("require_certificate true", tls=authority.issue("broker"))
    door = authority.issue("front", from_days=-30, to_days=-1)
    link = make_link(broker.port, ca_file=authority.file, cert_file=door.cert, key_file=door.key)
    with running(link, Listener(), wait=False):
        wait_until(lambda: "has expired" in (link.problem or ""), "it is refused")
        authority.issue("front")
        wait_until(lambda: link.connected, "the new one is let in")


def test_tls_to_a_port_without_it_and_the_other_way_round(make_broker: MakeBroker, authority: Authority) -> None:
    plain, secret = make_broker(), make_broker(tls=authority.issue("broker"))
    text = refusal(settings_for(plain.port, ca_file=authority.file))
    assert "TLS" in text or "closed the connection" in text
    assert refusal(settings_for(secret.port)).endswith(
        "closed the connection before it answered; is it an MQTT broker, or does this port want TLS (mqtt.ca_file)?"
    )


# ---- files -----------------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_used_are_named_with_their_setting(
    broker: Broker, authority: Authority, tmp_path: Path
) -> None:
    door, other = authority.issue("front"), authority.issue("other")
    nothing, rubbish, locked = tmp_path / "nothing", tmp_path / "rubbish", tmp_path / "locked.key"
    rubbish.write_text("no certificate")
    key = serialization.load_pem_private_key(door.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    ca = authority.file

    def told(**files: Path) -> str:
        return refusal(settings_for(broker.port, username="front", **files))

    assert told(ca_file=nothing) == f"mqtt.ca_file: cannot read {nothing}: No such file or directory"
    assert told(ca_file=rubbish) == f"mqtt.ca_file: {rubbish} holds no certificate (PEM)"
    assert told(ca_file=ca, cert_file=nothing, key_file=door.key).startswith("mqtt.cert_file: cannot read")
    assert told(ca_file=ca, cert_file=door.cert, key_file=nothing).startswith("mqtt.key_file: cannot read")
    assert told(ca_file=ca, cert_file=door.cert, key_file=other.key) == (
        f"mqtt.key_file: {other.key} is not the key of the certificate {door.cert}"
    )
    for wrong in (rubbish, locked):
        both = f"{door.cert} and {wrong}"
        assert told(ca_file=ca, cert_file=door.cert, key_file=wrong) == (
            f"mqtt.cert_file, mqtt.key_file: {both} must be a certificate and its key (PEM, no password)"
        )
    assert told(password_file=nothing) == f"mqtt.password_file: cannot read {nothing}: No such file or directory"
    nothing.write_text("\n")
    assert told(password_file=nothing) == f"mqtt.password_file: {nothing} is empty; its first line is the password"


# ---- passwords and access rules --------------------------------------------------------------------------------------

RULES = """
user front
topic write doorward/front/availability
topic write doorward/front/state
topic read doorward/front/request/+
"""


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(file), "front", "correct"], check=True, capture_output=True)
    return file


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_password_from_a_file(make_broker: MakeBroker, passwords: Path, tmp_path: Path, protocol: str) -> None:
    broker = make_broker(f"password_file {passwords}", "allow_anonymous false")
    secret = tmp_path / "secret"
    settings = settings_for(broker.port, protocol=protocol, username="front", password_file=secret)
    secret.write_text("correct\n")
    try_connection(settings)
    secret.write_text("wrong\n")
    assert "check mqtt.username" in refusal(settings)
    assert "mqtt.password_file" in refusal(settings)
    assert "check mqtt.username" in refusal(settings_for(broker.port, protocol=protocol))


def test_a_denied_topic_is_told_and_an_event_denied_is_not_taken_for_delivered(
    make_broker: MakeBroker, passwords: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules, secret = tmp_path / "rules", tmp_path / "secret"
    rules.write_text(RULES)
    rules.chmod(0o600)
    secret.write_text("correct\n")
    broker = make_broker(f"password_file {passwords}", "allow_anonymous false", f"acl_file {rules}")
    listener = Listener()
    link = make_link(broker.port, username="front", password_file=secret)
    with running(link, listener):
        for token in ("one", "two"):
            link.publish(EVENTS, b"{}", token=token)
        wait_until(lambda: len(listener.delivered) == 2, "both are settled")
        assert listener.delivered == [("one", "Not authorized"), ("two", "Not authorized")]
    words = "the broker refuses our messages; check its access rules"
    assert lines(caplog) == [f"{words} topic={EVENTS} reason=Not authorized"]


def test_rules_by_the_certificate_s_name_let_a_door_use_its_own_topics_alone(
    make_broker: MakeBroker, authority: Authority, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("pattern readwrite doorward/%u/#\n")
    rules.chmod(0o600)
    broker = make_broker(
        "require_certificate true", "use_identity_as_username true", f"acl_file {rules}", tls=authority.issue("broker")
    )
    door = authority.issue("front")
    listener = Listener()
    link = make_link(broker.port, ca_file=authority.file, cert_file=door.cert, key_file=door.key)
    with running(link, listener):
        link.publish(f"{BASE}/events", b"{}", token="own")
        link.publish("doorward/back/events", b"{}", token="another's")
        wait_until(lambda: len(listener.delivered) == 2, "both are settled")
        assert listener.delivered == [("own", None), ("another's", "Not authorized")]


# ---- without a network -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "the name mqtt.example in mqtt.host is not found; check it and the network",
        ),
        (UnicodeError("label too long"), "the name mqtt.example in mqtt.host is not found; check it and the network"),
        (TimeoutError(), "mqtt.example:1883 does not answer; check mqtt.host, mqtt.port and any firewall"),
        (OSError(101, "Network is unreachable"), "cannot reach mqtt.example:1883: Network is unreachable"),
        (
            ssl.SSLError(1, "[SSL: NO_PROTOCOLS_AVAILABLE] no protocols"),
            "TLS with mqtt.example:1883 failed: NO_PROTOCOLS_AVAILABLE",
        ),
    ],
)
def test_what_the_network_says_is_put_in_words(error: OSError, line: str) -> None:
    assert str(cannot_connect(LinkSettings("mqtt.example", "doorward-front"), error, 0)) == line
