"""The command that serves a page over many runs: `serve`."""

import contextlib
import socket
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import console, heavy
from learnerkit.core.errors import RunError
from learnerkit.core.optional import optional


def serve(
    root: Annotated[Path, typer.Argument(help="a folder of runs, however deep")] = Path("runs"),
    host: Annotated[str, typer.Option(help="address to listen on; others than this machine's are open to others")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8321,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Serve a local page over all runs: filter, sort, select, compare, curves as they grow. It writes nothing."""
    server = optional("uvicorn", "serve", "learnerkit serve")
    web = heavy("runs.web")
    if not root.is_dir():
        raise RunError(f"{root}: no such folder. Give a folder of runs, such as runs")
    bound = bind(host, port)
    if not web.is_local(host):
        console.print(f"  warning: whoever reaches {host} can read these runs; nothing asks for a password")
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}/"
    pages = {
        "compare": lambda paths, name: heavy("runs.compare").comparison_page(paths, name),
        "diff": lambda paths, name: heavy("runs.diff_page").difference_page(paths),
    }
    app = web.make_app(root, pages, host)
    console.print(f"  the runs below {root} are shown at {address} until Ctrl-C")
    if open_page:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    config = server.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none")
    with contextlib.suppress(KeyboardInterrupt):
        server.Server(config).run(sockets=[bound])
    raise typer.Exit(130)  # nothing else ends it


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; RunError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise RunError(
            f"--host {host} --port {port}: cannot be listened on ({error.strerror or error}). Choose another --port; "
            "--port 0 takes a free one"
        ) from error
    return made
