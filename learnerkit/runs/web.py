"""The served page over many runs: what is refused, what is answered. It reads, and writes nothing."""

import ipaddress
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from learnerkit.core.disk import shown_bytes
from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.labels import worded
from learnerkit.core.optional import optional
from learnerkit.pages.page import Table, render
from learnerkit.runs.listing import cell
from learnerkit.runs.live_table import LiveTable, Query, link
from learnerkit.runs.shown_run import figure_texts, files_of, shown_run

LOCAL = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TEXTS = (".json", ".jsonl", ".csv", ".txt", ".log", ".tex")
TYPES = {".html": "text/html", ".png": "image/png", ".jpg": "image/jpeg", ".pdf": "application/pdf"}
Compare = Callable[[Sequence[Path], str], str]


def is_local(host: str) -> bool:
    """Whether only programs of this machine reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allows(host: str, asked: str) -> bool:
    """Whether a request's Host header is a name of the server: a page elsewhere may give its own name to our address.

    host: that the server listens on; asked: the header.
    """
    name = asked[1:].partition("]")[0] if asked.startswith("[") else asked.partition(":")[0]
    if is_local(host):
        return is_local(name)
    try:
        return bool(ipaddress.ip_address(name))  # an address is nobody's name
    except ValueError:
        return name.lower() in {host.lower(), "localhost", socket.gethostname().lower(), socket.getfqdn().lower()}


@dataclass
class Guard:
    """An ASGI application before which every request is looked at.

    app: what answers; host: that the server listens on.
    """

    app: Any
    host: str

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        wrong = self.refused(scope["method"], headers)
        if wrong:
            await _plain(wrong[1], wrong[0])(scope, receive, answer)
        else:
            await self.app(scope, receive, answer)

    def refused(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """The status and words of a refusal; None for a request that is answered."""
        if method != "GET":
            return 405, "only GET: these pages read, and change nothing"
        if not allows(self.host, headers.get("host", "")):
            return 421, f"the Host header '{headers.get('host', '')}' is no name of this server"
        foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
        return (403, "a page of another site asked") if foreign else None


def _plain(text: str, status: int = 200) -> Any:
    return optional("starlette.responses", "serve", "learnerkit serve").PlainTextResponse(text + "\n", status)


def make_app(root: Path, pages: Mapping[str, Compare], host: str = "127.0.0.1") -> Any:
    """The ASGI application over the runs at or below a folder.

    root: the folder; pages: by the name of its address, such as 'compare', what makes a page of some run folders and a
        title.
    host: that it will listen on, for the names that it answers to.
    """
    responses = optional("starlette.responses", "serve", "learnerkit serve")
    routing = optional("starlette.routing", "serve", "learnerkit serve")
    applications = optional("starlette.applications", "serve", "learnerkit serve")
    table, called = LiveTable(root), root.resolve().name
    table.look()  # once before the first question, which then reads little
    page = render("serve.html.j2", name=called, root=str(root), live=True)

    def whole(request: Any) -> Any:
        return responses.HTMLResponse(page)

    def rows(request: Any) -> Any:
        asked = request.query_params
        query = Query(tuple(asked.getlist("where")), *(asked.get(key, "") for key in ("sort", "columns", "q")))
        return _json(responses, lambda: table.answer(query, asked.get("since", "")))

    def curves(request: Any) -> Any:
        asked = request.query_params
        return _json(responses, lambda: table.curves(asked.getlist("run"), asked.get("since", "")))

    def selected(request: Any) -> Any:
        names, make = request.query_params.getlist("run"), pages[request.url.path.strip("/")]
        try:
            known = table.look()
            gone = [name for name in names if name not in known]
            if gone or len(names) < 2:
                raise RunError(f"{gone[0]}: no such run here" if gone else "select two runs or more to compare")
            return responses.HTMLResponse(make([known[name].path for name in names], called))
        except LearnerkitError as error:
            return responses.HTMLResponse(_message("Not compared", str(error), called), 422)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:  # of files that are not a run's
            text = f"{type(error).__name__}: {error}. A file of these runs is damaged"
            return responses.HTMLResponse(_message("Not compared", text, called), 422)

    def run(request: Any) -> Any:
        try:
            path = unquote(request.scope["raw_path"].decode("latin-1"), errors="surrogateescape")
            found, name, inside = _place(table, path.removeprefix("/runs/"))
            if found.is_dir():
                return responses.HTMLResponse(_folder(found, name, inside) if inside else run_page(found, name, called))
        except (LookupError, OSError, ValueError, LearnerkitError):
            text = "There is no such run or file here, or it is gone."
            return responses.HTMLResponse(_message("Not found", text, called), 404)
        kind = "text/plain; charset=utf-8" if found.suffix in TEXTS else TYPES.get(found.suffix)
        return responses.FileResponse(found, media_type=kind or "application/octet-stream")

    routes = [("/", whole), ("/table.json", rows), ("/curves.json", curves)]
    routes += [(f"/{each}", selected) for each in pages]
    made = [routing.Route(path, function, methods=["GET"]) for path, function in routes]
    made.append(routing.Route("/favicon.ico", lambda request: responses.Response(status_code=204), methods=["GET"]))
    made.append(routing.Route("/runs/{path:path}", run, methods=["GET"]))
    return Guard(applications.Starlette(routes=made), host)


def _json(responses: Any, make: Callable[[], Any]) -> Any:
    """What a call gives as JSON, nothing where that is None, and the message of an error."""
    try:
        content = make()
    except LearnerkitError as error:
        content = {"fault": str(error)}
    if content is None:
        return responses.Response(status_code=204)
    return responses.Response(json.dumps(content), media_type="application/json")  # also of names that are no UTF-8


def _place(table: LiveTable, path: str) -> tuple[Path, str, str]:
    """What a path of the page means: the file or folder, its run's name, its place in the run.

    LookupError or OSError where it is in no run, is hidden, or lies outside the run by '..' or by a link.
    """
    path = path.strip("/")
    parts = path.split("/")
    rows = table.look()
    ends = [end for end in range(len(parts), 0, -1) if "/".join(parts[:end]) in rows]
    if not ends or any(part.startswith(".") for part in parts):
        raise LookupError(path)
    name, inside = "/".join(parts[: ends[0]]), "/".join(parts[ends[0] :])
    folder = rows[name].path.resolve(strict=True)
    found = (folder / inside).resolve(strict=True)
    if not (found.is_file() or found.is_dir()):
        raise LookupError(path)
    if not found.is_relative_to(folder) or not folder.is_relative_to(table.root.resolve()):
        raise LookupError(path)
    return found, name, inside


def curves_of(name: str) -> str:
    """The address of the page with a run selected, whose curves it then shows."""
    return f"/?run={quote(name, safe='', errors='surrogateescape')}"


def run_page(folder: Path, name: str, root: str) -> str:
    """The page of one run: what `runs show` tells, with links to its files."""
    found = shown_run(folder)
    tables = [
        Table("Figures", ("figure", "value"), figure_texts(found["figures"])),
        Table(
            "Settings that differ from their defaults",
            ("setting", "value"),
            [(key, worded(value)) for key, value in found["differing"].items()],
            text=True,
        ),
    ]
    tops = [("epochs", f"{found['epochs']}" + (f" of {found['n_epoch']}" if found["n_epoch"] else ""))]
    tops += [("trained for", cell("seconds", found["seconds"]))] if found["seconds"] else []
    tops += [(f"best {found['monitor']}", cell("best", found["best"]))] if found["best"] is not None else []
    content = {"found": found, "tables": [one for one in tables if one.rows], "headlines": tops, "root": root}
    content["page"] = link(name, "report.html") if found["page"] else None
    return render("served_run.html.j2", name=name, files=_entries(folder, name), curves=curves_of(name), **content)


def _entries(folder: Path, name: str, inside: str = "") -> list[tuple[str, str, str]]:
    """(name, address, size) of what lies in a folder of a run, hidden files apart."""
    sizes = files_of(folder).items()
    return [(file, link(name, inside, file), shown_bytes(size)) for file, size in sizes if file[0] != "."]


def _folder(folder: Path, name: str, inside: str) -> str:
    return render("served_run.html.j2", name=f"{name}/{inside}", files=_entries(folder, name, inside), up=link(name))


def _message(title: str, text: str, root: str) -> str:
    return render("served_run.html.j2", name=title, message=text, root=root)
