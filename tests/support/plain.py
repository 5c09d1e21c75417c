"""What a test has to say to the application ``plain`` of tests/integration/apps."""

from support.http import Client, Response


def pid_in(response: Response) -> int:
    """The pid of the worker that has answered."""
    return int(response.body.split()[0])


def hold(client: Client, path: str) -> int:
    """Begin a request whose response begins as well, and does not go on before :func:`let_go`.

    Returns the pid of the worker that has it.
    """
    client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1".encode())
    status, _ = client.head()
    assert status == 200
    return int(client.chunk())


def let_go(client: Client) -> None:
    """Send the rest of a held request."""
    client.send(b"2")
