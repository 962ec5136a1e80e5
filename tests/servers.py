"""A web server on this machine for the tests: quiet, and gone when they are."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class Server(ThreadingHTTPServer):
    """Keeps what goes wrong in its threads, where the standard library prints it into whatever the tests print.

    A client that hangs up, as it may, is nothing that goes wrong.
    """

    def __init__(self, handler: Any):
        super().__init__(("127.0.0.1", 0), handler)
        self.wrong: list[BaseException] = []
        self.address = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.wrong.append(error)


class Files(SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


Made = TypeVar("Made", bound=Server)


@contextlib.contextmanager
def serving(server: Made) -> Iterator[Made]:
    """Serve until the end of the block, when nothing may have gone wrong."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.wrong == []
