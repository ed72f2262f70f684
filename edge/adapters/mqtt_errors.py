"""Why there is no connection, in one line that names the setting or file and the way out. Pure.

The texts of OpenSSL and of the MQTT reason codes are turned into words here; when to say them is left to `mqtt.py`.
"""

from __future__ import annotations

import re
import socket
import ssl
from datetime import UTC, datetime

from edge.adapters.mqtt_settings import LinkSettings
from edge.errors import LinkError

# OpenSSL's X509_V_ERR_* numbers, from its x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})

_NETWORK: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    (
        (ConnectionRefusedError,),
        "refused",
        "no broker answers at {broker}; does it run, is it what mqtt.host and mqtt.port say?",
    ),
    ((socket.gaierror, UnicodeError), "name", "the name {host} in mqtt.host is not found; check it and the network"),
    ((TimeoutError,), "timeout", "{broker} does not answer; check mqtt.host, mqtt.port and any firewall"),
)

# Alerts by which the broker refuses us, as Python's ssl names them ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] …").
_ALERTS = {
    "CERTIFICATE_REQUIRED": (
        "cert-required",
        "asks for a certificate of this door; set mqtt.cert_file and mqtt.key_file",
    ),
    "CERTIFICATE_EXPIRED": ("own-cert-expired", "says that the certificate in mqtt.cert_file has expired; renew it"),
    "UNKNOWN_CA": ("own-ca", "does not know the authority that signed mqtt.cert_file; have it signed by the broker's"),
    "BAD_CERTIFICATE": (
        "own-cert-bad",
        "does not accept the certificate in mqtt.cert_file; was it made for this broker?",
    ),
    "CERTIFICATE_UNKNOWN": (
        "own-cert-unknown",
        "does not accept the certificate in mqtt.cert_file; is it the right one, is the broker's clock set?",
    ),
    "CERTIFICATE_REVOKED": (
        "own-cert-revoked",
        "says that the certificate in mqtt.cert_file was revoked; get a new one",
    ),
    "HANDSHAKE_FAILURE": (
        "handshake",
        "asks for a certificate of this door, or for a TLS version that is not known here",
    ),
    "PROTOCOL_VERSION": ("tls-version", "does not speak TLS 1.2 or newer"),
}

# MQTT 5 reason codes (section 2.4); paho gives those of 3.1.1 as their MQTT 5 counterparts.
_CONNACK = {
    132: ("protocol", 'does not speak this version of MQTT; set mqtt.protocol to "3.1.1" (or "5")'),
    133: ("client-id", "does not accept the client id {client_id}"),
    134: ("credentials", "does not accept the user name or password; check mqtt.username and mqtt.password_file"),
    135: (
        "not-authorized",
        "does not let us in; check mqtt.username, mqtt.password_file and the broker's access rules",
    ),
    136: ("unavailable", "says that it is not available"),
    137: ("busy", "says that it is busy"),
    138: ("banned", "has banned this client"),
    149: ("too-large", "finds our greeting too large"),
    154: ("retain", "does not keep messages; allow retained messages at the broker"),
    155: ("qos", "does not allow QoS 1; allow it at the broker"),
    159: ("rate", "says that we connect too often"),
}
_DISCONNECT = {
    135: ("kicked", "no longer lets us in; check its access rules"),
    139: ("shutdown", "shuts down"),
    141: ("keepalive", "heard nothing from us for too long"),
    142: ("taken-over", "gave our place to another client of the id {client_id}; every door needs an id of its own"),
    149: ("too-large", "found a message of ours too large"),
}


class BrokerError(LinkError):
    """A LinkError with a short code, by which one is told from the next although its words hold a time."""

    def __init__(self, code: str, line: str) -> None:
        super().__init__(line)
        self.code = code


def cannot_connect(settings: LinkSettings, error: OSError | ValueError, wall_s: float) -> BrokerError:
    """Why no connection came about. wall_s: this device's clock, for certificates that are not valid now."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _unverified(settings, error, wall_s)
    if isinstance(error, ssl.SSLError):
        return tls_failed(settings, str(error))
    for kinds, code, words in _NETWORK:
        if isinstance(error, kinds):
            return BrokerError(code, words.format(host=settings.host, broker=settings.broker))
    if isinstance(error, ConnectionError):
        return closed_early(settings)
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return BrokerError("network", f"cannot reach {settings.broker}: {words}")


def _unverified(settings: LinkSettings, error: ssl.SSLCertVerificationError, wall_s: float) -> BrokerError:
    whose = f"the certificate of {settings.broker}"
    clock = datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if error.verify_code == _NOT_YET_VALID:
        line = (
            f"{whose} is not valid yet by this device's clock, which says {clock}; set the clock (NTP), or wait for it"
        )
        return BrokerError("not-yet-valid", line)
    if error.verify_code == _EXPIRED:
        line = f"{whose} has expired by this device's clock, which says {clock}; renew it, or set the clock"
        return BrokerError("expired", line)
    if error.verify_code in _UNKNOWN_ISSUER:
        line = f"{whose} is not signed by an authority in mqtt.ca_file ({settings.ca_file}); put the right one there"
        return BrokerError("ca", line)
    if error.verify_code in _OTHER_NAME:
        line = f"{whose} is for another name than {settings.host}; set mqtt.host to the name that it is for"
        return BrokerError("other-name", line)
    return BrokerError("certificate", f"{whose} is refused: {error.verify_message}")


def tls_failed(settings: LinkSettings, text: str) -> BrokerError:
    """A TLS error that is not about the broker's certificate. text: as OpenSSL and Python word it."""
    found = re.search(r"\[SSL: (\w+)\]", text)
    reason = found[1] if found else ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        line = f"{settings.broker} does not speak TLS; use its TLS port (8883 is usual), or leave out mqtt.ca_file"
        return BrokerError("no-tls", line)
    for alert, (code, words) in _ALERTS.items():
        if reason.endswith(alert):
            return BrokerError(code, f"{settings.broker} {words}")
    return BrokerError("tls", f"TLS with {settings.broker} failed: {reason or text}")


def closed_early(settings: LinkSettings) -> BrokerError:
    """The connection was closed before the broker's answer to our greeting."""
    plain = "is it an MQTT broker, or does this port want TLS (mqtt.ca_file)?"
    hint = "does it want a certificate of this door (mqtt.cert_file)?" if settings.ca_file else plain
    return BrokerError("closed", f"{settings.broker} closed the connection before it answered; {hint}")


def refused(settings: LinkSettings, code: int, name: str) -> BrokerError:
    """The broker's answer to our greeting was no."""
    return _by_code(_CONNACK, settings, code, f"refuses the connection: {name}")


def sent_away(settings: LinkSettings, code: int, name: str) -> BrokerError:
    """The broker ended the connection and said why."""
    return _by_code(_DISCONNECT, settings, code, f"ended the connection: {name}")


def _by_code(table: dict[int, tuple[str, str]], settings: LinkSettings, code: int, otherwise: str) -> BrokerError:
    short, words = table.get(code, (f"code-{code}", otherwise))
    return BrokerError(short, f"{settings.broker} {words.format(client_id=settings.client_id)}")
