"""A server on loopback that sends the very bytes it is told, however odd."""

import json
import socket
import threading
from contextlib import contextmanager, suppress


def chat(content, **more):
    return {"choices": [{"message": {"content": content}} | more]}


def http(body, status="200 OK", *headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


@contextmanager
def raw_server(*replies, tls=None):
    """Sends the bytes, in turn, the last one from then on; a function gets the connection.

    `tls` is the context of a server with TLS.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    requests = []

    def run():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection):
        with (
            suppress(OSError),
            connection if tls is None else tls.wrap_socket(connection, True) as connection,
        ):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            _, _, stated = head.lower().partition(b"content-length:")
            length = int(stated.split()[0]) if stated else 0
            while len(body) < length:
                body += connection.recv(65536)
            requests.append((head, body))
            reply = replies[min(len(requests), len(replies)) - 1]
            reply(connection) if callable(reply) else connection.sendall(reply)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/v1", requests
    finally:
        listener.close()
