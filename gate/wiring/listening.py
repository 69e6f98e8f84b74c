"""Taking a port, and what is said where it cannot be had."""

from __future__ import annotations

import errno
import socket

from gate.addresses import Address


class StartError(Exception):
    """The gate cannot start; the message is a sentence for whoever started it."""


def taken(setting: str, address: Address, error: OSError) -> str:
    where = f"{address.host}:{address.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken by another process; stop it, or set {setting} to another address (port 0: any)."
    return f"{where} ({setting}) cannot be listened on: {error.strerror or error}."


def listen(address: Address, setting: str) -> socket.socket:
    """A bound socket: the port is taken, or refused, before anything else is touched."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
    except OSError as error:
        listening.close()
        raise StartError(taken(setting, address, error)) from None
    return listening
