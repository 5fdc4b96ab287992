"""TLS for one connection (RFC 8446): bytes of the socket in and out, no I/O of its own. OpenSSL does the work.

Why not the event loop's own TLS, around the same OpenSSL:

1. It wakes for every record that arrives, and a provider sends each chunk as a record. Here a turn that reads seldom
   takes from the socket all that lies there, and opens it at once, as it does without TLS.
2. Its objects and its buffer of 256 KB, of which every page stays resident that was ever touched, are half of the
   memory of a stream.

Certificates and names of hosts are verified as the `ssl.SSLContext` says. A body that ends with its connection is
complete only if the provider says that it has ended (close_notify, RFC 8446 §6.1): else it may have been cut by others.
"""

import ssl

MAX_RECORD_BYTES = 16_384
"""The largest piece of plain data in one record (RFC 8446 §5.1)."""
MAX_ANSWER_BYTES = 65_536
"""How much TLS itself may send on a connection, in bytes: a handshake has some 1,000, an answer to new keys 30."""


class TlsLayer:
    """The client's side of TLS on one connection."""

    __slots__ = ("_answered", "_incoming", "_openssl", "_outgoing", "has_ended", "is_open")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """`host` is the name that the certificate must have."""
        self.is_open = False
        """The handshake is done."""
        self.has_ended = False
        """The provider has said that it sends no more."""
        self._answered = 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._openssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake_hands(self, received: bytes = b"") -> None:
        """Go on with the handshake after these bytes of the provider. `take_answer` has what must be sent now.

        Raises:
            ssl.SSLError: there is no agreement, or the certificate is not trusted.
        """
        self._incoming.write(received)
        try:
            self._openssl.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_open = True

    def encrypt(self, data: bytes) -> bytes:
        """Return `data` as records."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._openssl.write(rest) :]
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """Return the plain data of the records that are whole with these bytes; empty if there is none.

        Raises:
            ssl.SSLError: the bytes are not the provider's.
        """
        pieces: list[bytes] = []
        for start in range(0, len(received), MAX_RECORD_BYTES):  # or OpenSSL would keep a buffer for all of it
            self._incoming.write(received[start : start + MAX_RECORD_BYTES])
            try:
                while self._incoming.pending or self._openssl.pending():
                    data = self._openssl.read(MAX_RECORD_BYTES)
                    if not data:
                        self.has_ended = True
                        return b"".join(pieces)
                    pieces.append(data)
            except ssl.SSLWantReadError:
                pass  # the last record is not whole, or is TLS's own
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take_answer(self) -> bytes:
        """Return what TLS itself must send to the provider now: its handshake, and new keys. Mostly empty.

        Raises:
            ssl.SSLError: the provider has it answer without end.
        """
        if not self._outgoing.pending:
            return b""
        answer = self._outgoing.read()
        self._answered += len(answer)
        if self._answered > MAX_ANSWER_BYTES:
            raise ssl.SSLError(f"the provider's TLS made us answer with over {MAX_ANSWER_BYTES} bytes")
        return answer
