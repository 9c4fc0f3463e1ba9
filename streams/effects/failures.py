"""aiohttp's exceptions as classes of errors, in sentences that repeat nothing of the request or the answer."""

from __future__ import annotations

import os
import ssl

import aiohttp
from aiohttp import http_exceptions

from tocsin.streams.domain.delivery_outcome import ErrorClass


class Failed(Exception):
    """An attempt that has no complete answer."""

    def __init__(self, error: ErrorClass, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


def could_not_connect(error: Exception) -> bool:
    """Whether nothing of the request was sent and another address may answer; a wrong certificate is an answer."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return True
    return isinstance(error, aiohttp.ClientConnectorError) and not _tls(error)


def failed(error: aiohttp.ClientError | OSError | ValueError) -> Failed:
    """The class of an exception that a request raised."""
    if _tls(error):
        return Failed("tls", _tls_detail(error))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failed("connect", "no connection within the time allowed")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failed("connect", _system(error.os_error))
    if isinstance(error, aiohttp.ClientResponseError):
        return _malformed(error)
    if isinstance(error, aiohttp.ClientPayloadError) and _not_as_announced(error.__cause__):
        return Failed("protocol", "the answer's body is not what its headers say")
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return Failed("disconnected", "the connection ended before the answer was complete")
    if isinstance(error, ValueError):
        return Failed("request", "the request cannot be sent")
    return Failed("protocol", "the answer is not HTTP")


def _tls(error: Exception) -> bool:
    known = aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch | ssl.SSLError
    return isinstance(error, known) or isinstance(error.__cause__, ssl.SSLError)


def _tls_detail(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "")
        return f"the certificate is not accepted: {why}" if why else "the certificate is not accepted"
    return "the TLS handshake failed"


def _malformed(error: aiohttp.ClientResponseError) -> Failed:
    # the parser's exception is wrapped once or twice
    for cause in (error.__cause__, error.__cause__ and error.__cause__.__cause__):
        if isinstance(cause, http_exceptions.LineTooLong) or "too many headers" in str(cause).lower():
            return Failed("headers_too_large", "the answer's headers are too large")
    return Failed("protocol", "the answer is not HTTP")


def _not_as_announced(cause: BaseException | None) -> bool:
    """Chunks that are none, say; a body that merely broke off has too little of everything."""
    return isinstance(cause, http_exceptions.BadHttpMessage) and "not enough data" not in cause.message.lower()


def _system(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "no connection could be made"
