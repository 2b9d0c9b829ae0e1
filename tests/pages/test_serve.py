"""The served page over many runs: what it answers and refuses, and how it does in a browser."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import pytest

from learnerkit.commands.serving import bind
from learnerkit.core.errors import RunError
from learnerkit.core.files import append_line, to_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.compare import comparison_page
from learnerkit.runs.diff_page import difference_page
from learnerkit.runs.live_table import LiveTable, Query
from learnerkit.runs.web import allows, make_app
from tests.pages.conftest import THEMES, WIDTHS
from tests.runs.fake import fake_run

uvicorn = pytest.importorskip("uvicorn")
ODD = "é & <b>%2e"


@contextmanager
def served(root, compare=comparison_page, host="127.0.0.1"):
    """The address of a server over a folder, as (host, port); it ends with the block."""
    bound = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        make_app(root, {"compare": compare, "diff": lambda paths, name: difference_page(paths)}, host),
        log_level="warning",
        lifespan="off",
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield bound.getsockname()
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def asked(address, path, method="GET", **headers):
    """(status, headers, body) of a request whose path is sent as it stands."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def table(address, since="", **query):
    return json.loads(asked(address, "/table.json?" + urlencode({**query, "since": since}, doseq=True))[2])


def write_runs(root):
    """Six runs of two modes in two experiments, one called by odd letters; one that goes on, one that is damaged."""
    for seed in (1, 2):
        for mode, accuracy in (("add", 0.9), ("max", 0.8)):
            run = fake_run(root / "first", f"{mode}{seed}", mode, seed, accuracy, epochs=6, parameters=1000)
            write_json(run.file("class_names.json"), ["a", "b"])
    fake_run(root / "second", ODD, "gated", 1, 0.7, epochs=3)
    fake_run(root / "second", "broken", "gated", 2, 0.7).file("run.json").write_text("{")
    going = fake_run(root / "second", "going", "gated", 3, 0.6, epochs=2, state="running")
    write_json(going.file("run.json"), {**going.described(), "monitor": "accuracy", "mode": "max", "n_epoch": 9})
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Those runs, not to be changed; the one that goes on is held."""
    root = write_runs(tmp_path_factory.mktemp("served") / "runs")
    held = RunFolder(root / "second" / "going")
    held.lock()
    yield root
    held.unlock()


@pytest.fixture(scope="module")
def server(runs):
    with served(runs) as address:
        yield address


# what is answered


def test_the_table_is_whole_at_first_and_then_what_has_changed(tmp_path):
    live, query = LiveTable(write_runs(tmp_path)), Query(sort="-test_accuracy")
    first = live.answer(query)
    assert first["whole"] and len(first["rows"]) == len(first["order"]) == 7 and "7 runs" in first["said"]
    assert first["order"][0].startswith("first/add") and {"key": "test_accuracy", "kind": "figure"} in first["fields"]
    assert live.answer(query, first["token"]) is None
    write_json(tmp_path / "first" / "max1" / "results.json", {"test_accuracy": 0.99})
    changed = live.answer(query, first["token"])
    assert not changed["whole"] and list(changed["rows"]) == ["first/max1"] and changed["order"][0] == "first/max1"
    turned = live.answer(Query(sort="test_accuracy"), changed["token"])
    assert not turned["whole"] and turned["rows"] == {} and turned["order"] != changed["order"]
    shutil.rmtree(tmp_path / "first" / "max1")
    gone = live.answer(query, turned["token"])
    assert gone["rows"] == {} and len(gone["order"]) == 6
    other = live.answer(Query(columns="seed"), gone["token"])
    assert other["whole"] and [one["key"] for one in other["heads"]] == ["seed"]
    again = LiveTable(tmp_path).answer(Query(columns="seed"), other["token"])  # another server
    assert again["whole"] and len(again["rows"]) == 6


def test_curves_are_of_what_is_selected_or_of_what_goes_on(tmp_path):
    root = write_runs(tmp_path)
    live = LiveTable(root)
    assert live.curves([])["charts"] == []
    both = live.curves(["first/add1", "first/max1", "gone"])
    assert both["runs"] == ["first/add1", "first/max1"]
    assert [chart["title"] for chart in both["charts"]] == ["Train loss", "Valid loss", "Accuracy", "Learning rate"]
    assert [line["label"] for line in both["charts"][0]["content"]["lines"]] == ["first/add1", "first/max1"]
    assert live.curves(["first/add1", "first/max1", "gone"], both["token"]) is None
    going = RunFolder(root / "second" / "going")
    going.lock()
    try:
        assert live.curves([])["runs"] == ["second/going"]
        append_line(going.file("history.jsonl"), to_json({**going.history()[-1], "epoch": 3}, indent=None))
        assert live.curves([])["charts"][0]["content"]["x"] == [1, 2, 3]
    finally:
        going.unlock()
    going.file("history.jsonl").write_text("x\n{}\n")
    assert live.curves(["second/going"])["charts"] == []


def test_the_page_and_its_files(server, runs):
    status, headers, body = asked(server, "/")
    assert status == 200 and b"uPlot" in body and headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    found = table(server, where=["test_accuracy > .65"], sort="-test_accuracy")
    assert len(found["order"]) == 5 and found["running"] == 1 and f"second/{ODD}" in found["order"]
    assert table(server, where=["nothing > 1"])["fault"].startswith("--where 'nothing > 1': no run has a figure")
    status, headers, body = asked(server, "/runs/first/add1/results.json")
    assert body == (runs / "first/add1/results.json").read_bytes() and headers["content-type"].startswith("text/plain")
    assert asked(server, "/runs/first/add1/predictions.npz")[1]["content-type"] == "application/octet-stream"
    status, _, body = asked(server, "/runs/" + quote(f"second/{ODD}"))
    page = body.decode()
    assert status == 200 and "&lt;b&gt;" in page and f'href="{quote("/runs/second/" + ODD + "/results.json")}"' in page
    assert b"is not valid JSON" in asked(server, "/runs/second/broken")[2]
    assert b'class="state running"' in asked(server, "/runs/second/going")[2]


def test_two_selected_runs_have_a_page_of_their_difference(server):
    status, _, body = asked(server, "/diff?run=first/add1&run=first/max1")
    assert status == 200
    assert "fusion" in body.decode()
    status, _, body = asked(server, "/diff?run=first/add1&run=first/max1&run=first/max2")
    assert status == 422
    assert "3 runs: a difference is of two" in body.decode()


def test_what_is_compared_is_written_nowhere(server, runs):
    before = sorted(runs.rglob("*"))
    status, _, body = asked(server, "/compare?run=first/add1&run=first/max1")
    assert status == 200 and b"Best on valid" in body and b"<h1>runs" in body and sorted(runs.rglob("*")) == before
    for query, code, said in (
        ("run=first/add1", 422, b"select two runs or more"),
        ("run=first/add1&run=first/none", 422, b"first/none: no such run here"),
        ("run=second/going&run=second/broken", 422, b"holds no finished run"),
        ("run=first/add1&run=second/broken", 200, b"is not valid JSON"),  # left out by name
    ):
        status, _, body = asked(server, f"/compare?{query}")
        assert status == code and said in body, query


def test_a_name_that_is_no_utf8_is_told_and_leads_to_its_run(tmp_path):
    fake_run(tmp_path, os.fsdecode(b"\xe9t\xe9"), "add", 1, 0.9)
    with served(tmp_path) as address:
        (row,) = table(address)["rows"].values()
        assert row["called"] == "\\xE9t\\xE9" and row["address"] == "/runs/%E9t%E9"
        assert asked(address, row["address"])[0] == asked(address, row["address"] + "/run.json")[0] == 200


def test_a_folder_that_goes_while_it_is_served_is_said(tmp_path):
    root = write_runs(tmp_path / "runs")
    with served(root) as address:
        shutil.rmtree(root / "first" / "add1")
        assert len(table(address)["order"]) == 6 and asked(address, "/runs/first/add1")[0] == 404
        shutil.rmtree(root)
        assert "no such folder" in table(address)["fault"]
        assert asked(address, "/compare?run=a&run=b")[0] == 422 and asked(address, "/runs/first/add2")[0] == 404


# what is refused


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../outside.txt",
        "/runs/first/add1/../../../outside.txt",
        "/runs/first/add1/%2e%2e/%2e%2e/%2e%2e/outside.txt",
        "/runs/first/add1/..%2f..%2f..%2foutside.txt",
        "/runs//etc/passwd",
        "/runs/first/add1/out.txt",
        "/runs/first/add1/away/outside.txt",
        "/runs/first/add1/.secret",
        "/runs/first/notes.txt",
        "/runs/first/add1/%00",
        "/runs/first",
        "/runs/",
    ],
)
def test_no_path_leaves_the_runs(tmp_path, path):
    root = tmp_path / "runs"
    run = fake_run(root / "first", "add1", "add", 1, 0.9)
    for file in (tmp_path / "outside.txt", root / "first" / "notes.txt", run.file(".secret")):
        file.write_text("outside")
    run.file("out.txt").symlink_to(tmp_path / "outside.txt")
    run.file("away").symlink_to(tmp_path)
    with served(root) as address:
        status, _, body = asked(address, path)
        assert status == 404 and b"outside" not in body.replace(path.encode(), b"")
        assert asked(address, "/runs/first/add1/run.json")[0] == 200


def test_only_get_and_only_our_names(server):
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        assert asked(server, "/", method)[0] == 405
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "", "[::2]"):
        status, _, body = asked(server, "/table.json", Host=host)
        assert status == 421 and b"is no name of this server" in body
    for host in ("localhost", "localhost:8321", "127.0.0.1:1", "[::1]:8321"):
        assert asked(server, "/table.json", Host=host)[0] == 200
    cross = {"Sec_Fetch_Site": "cross-site"}
    assert asked(server, "/compare", **cross, Sec_Fetch_Mode="no-cors")[0] == 403
    assert asked(server, "/", **cross, Sec_Fetch_Mode="navigate")[0] == 200


def test_names_of_a_server_that_others_reach():
    assert allows("0.0.0.0", "192.168.1.5:8321") and allows("0.0.0.0", socket.gethostname())
    assert allows("box.lan", "box.lan:8321") and allows("::", "[fe80::1]:8321")
    assert not allows("0.0.0.0", "evil.example") and not allows("box.lan", "evil.example:8321")


def test_a_port_in_use_and_a_folder_that_is_missing(tmp_path, command):
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    try:
        with pytest.raises(RunError, match=rf"--host 127\.0\.0\.1 --port {port}: cannot be listened on .*--port 0"):
            bind("127.0.0.1", port)
        (tmp_path / "runs").mkdir()
        code, _, err = command("serve", "--port", port)
        assert code == 2 and "Address already in use" in err
    finally:
        bound.close()
    code, _, err = command("serve", "nowhere")
    assert code == 2 and "nowhere: no such folder" in err


def test_the_command_serves_until_it_is_stopped_and_imports_no_torch(runs):
    code = "import sys, learnerkit.cli as cli\nend = cli.main(sys.argv[1:])\nprint('torch' in sys.modules, end)"
    words = [sys.executable, "-c", code, "serve", str(runs), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    address = ("127.0.0.1", int(line.split("127.0.0.1:")[1].split("/")[0]))
    assert len(table(address)["order"]) == 7 and asked(address, "/runs/first/add1")[0] == 200
    process.send_signal(2)
    assert process.communicate()[0] == "False 130\n"


# in a browser


@pytest.fixture
def shown(chromium, server):
    """A function that opens a path of the server; nothing is logged, and nothing is asked of another."""

    @contextmanager
    def at(path="/", width=1400, theme="light", address=server):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        own, said = f"http://127.0.0.1:{address[1]}", []
        page.on("console", lambda line: said.append(line.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda one: said.append(one.url) if not one.url.startswith((own, "data:")) else None)
        try:
            page.goto(own + path)
            yield page
            assert not said and page.evaluate("document.documentElement.scrollWidth") <= width
        finally:
            page.close()

    return at


def names(page):
    return page.locator(".runs tbody th").all_inner_texts()


@pytest.mark.slow
def test_the_pages_fit_and_have_no_fault_of_axe(shown):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    chosen = "/?run=first/add1&run=first/max1&where=test_accuracy>.5"
    for path in (chosen, "/runs/first/add1"):
        for width in WIDTHS:
            for theme in THEMES:
                with shown(path, width, theme) as page:
                    page.locator("tbody tr").first.wait_for()
                    if path == chosen:
                        page.locator(".u-wrap").first.wait_for()
                        page.locator(".choice summary").click()
                    faults = axe.run(page).response["violations"]
                    assert not faults, json.dumps(faults, indent=1)[:3000]


def test_filters_sort_and_selection_stand_in_the_address(shown):
    with shown() as page:
        page.locator("tbody tr").first.wait_for()
        assert len(names(page)) == 7 and "7 runs" in page.locator(".said").inner_text()
        page.get_by_label("Condition", exact=True).fill("test_accuracy > .75")
        page.keyboard.press("Enter")
        page.locator(".conditions button").wait_for()
        page.locator("thead button", has_text="test_accuracy").press("Enter")
        page.locator("[aria-sort=ascending]").wait_for()
        assert names(page)[0].startswith("first/max")
        page.locator("thead button", has_text="test_accuracy").press("Enter")
        page.locator("[aria-sort=descending]").wait_for()
        assert names(page)[0].startswith("first/add") and len(names(page)) == 4
        assert page.evaluate("document.activeElement.textContent") == "test_accuracy"
        page.get_by_label("Select first/add1").check()
        page.get_by_label("Select first/max1").press("Space")
        assert page.locator(".chosen output").inner_text() == "2 selected"
        page.get_by_label("Find").fill("add")
        page.locator(".runs tbody tr").nth(2).wait_for(state="detached")
        address = page.url
    path = address[address.index("/?") :]
    with shown(path) as page:
        page.locator("tbody tr").first.wait_for()
        assert names(page) == ["first/add1", "first/add2"] and page.locator("[aria-sort=descending]").count() == 1
        assert page.locator(".chosen output").inner_text() == "2 selected"
        page.locator(".chosen").get_by_role("link", name="Compare").click()
        assert "Best on valid" in page.locator("main").inner_text()
        page.go_back()
        page.get_by_role("button", name="Remove the condition test_accuracy > .75").click()
        page.locator(".conditions button").wait_for(state="detached")


def test_columns_are_chosen_and_a_wrong_condition_is_told(shown):
    with shown() as page:
        page.locator("tbody tr").first.wait_for()
        page.locator(".choice summary").click()
        page.locator(".choice").get_by_label("data.split_seed").check()
        head = page.locator("thead button", has_text="split_seed")
        head.wait_for()
        page.get_by_role("button", name="What differs").click()
        head.wait_for(state="detached")
    with shown("/?sort=acuracy") as page:
        page.locator("[role=alert]:visible").wait_for()
        assert "no run has a figure or setting 'acuracy'" in page.locator("[role=alert]").inner_text()


def test_odd_names_are_text_and_lead_to_their_run(shown):
    with shown() as page:
        page.get_by_role("link", name=f"second/{ODD}").click()
        assert page.locator("h1").inner_text() == f"second/{ODD}"
        page.get_by_role("link", name="results.json").click()
        assert "test_accuracy" in page.locator("body").inner_text()


@pytest.mark.slow
def test_curves_grow_while_a_run_goes_on_and_rest_while_nobody_looks(shown, tmp_path):
    root = write_runs(tmp_path / "runs")
    going = RunFolder(root / "second" / "going")
    going.lock()
    try:
        with served(root) as address, shown(address=address) as page:
            page.locator(".live .u-wrap").first.wait_for()
            assert page.locator(".live p").inner_text() == "1 running run" and page.locator("figure.chart").count() == 4
            chart = page.locator("figure.chart").first
            row = page.locator("tr", has_text="second/going")
            assert "2/9" in row.inner_text()
            append_line(going.file("history.jsonl"), to_json({**going.history()[-1], "epoch": 3}, indent=None))
            row.get_by_text("3/9").wait_for()
            chart.locator(".plot").press("End")
            page.wait_for_timeout(300)
            chart.locator(".plot").press("End")
            assert chart.locator("output").inner_text() == "epoch 3"
            assert chart.locator(".u-wrap").count() == 1
            requests = []
            page.on("request", lambda one: requests.append(one.url))
            page.evaluate(
                "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
            page.wait_for_timeout(2500)
            assert not requests
            page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
            page.wait_for_timeout(300)
            assert requests
    finally:
        going.unlock()
