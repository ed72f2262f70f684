"""The files that a link needs: certificates and the password. Read anew for each connection, so renewed ones count.

Raises `BrokerError` with the setting's name for a file that is missing, unreadable or not what it should be.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from edge.adapters.mqtt_errors import BrokerError
from edge.adapters.mqtt_settings import LinkSettings

_ALERT_WITHIN_S = 3.0


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer that checks the broker's certificate and name; None where the settings name no authority."""
    if settings.ca_file is None:
        return None
    _readable("mqtt.ca_file", settings.ca_file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError:
        raise BrokerError("ca-file", f"mqtt.ca_file: {settings.ca_file} holds no certificate (PEM)") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None:
        _own_certificate(context, settings.cert_file, settings.key_file or settings.cert_file)
    return context


def _own_certificate(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    _readable("mqtt.cert_file", cert)
    _readable("mqtt.key_file", key)
    try:
        # An empty password, since OpenSSL would otherwise ask for one on the terminal and wait.
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            line = f"mqtt.key_file: {key} is not the key of the certificate {cert}"
        else:
            line = (
                f"mqtt.cert_file, mqtt.key_file: {cert} and {key} must be a certificate and its key (PEM, no password)"
            )
        raise BrokerError("own-files", line) from None


def tls_alert(settings: LinkSettings) -> str:
    """What a broker that closes the connection has against our certificate, in OpenSSL's words; else empty.

    With TLS 1.3 it says so after the handshake. A client that has sent its greeting by then often gets a reset instead,
    so this connects once more and only listens.
    """
    context = tls_context(settings)
    if context is None:
        return ""
    try:
        with (
            socket.create_connection((settings.host, settings.port), _ALERT_WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname=settings.host) as secret,
        ):
            secret.recv(1)
    except ssl.SSLError as error:
        return str(error)
    except OSError:
        return ""
    return ""


def password(settings: LinkSettings) -> str | None:
    """The first line of the password file."""
    path = settings.password_file
    if path is None:
        return None
    lines = _readable("mqtt.password_file", path).decode(errors="replace").splitlines()
    if not lines or not lines[0]:
        raise BrokerError("password-file", f"mqtt.password_file: {path} is empty; its first line is the password")
    return lines[0]


def _readable(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokerError("file", f"{key}: cannot read {path}: {error.strerror}") from None
