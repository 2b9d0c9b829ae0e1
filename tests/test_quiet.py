"""An import, --help and load_run open no socket, start no process and write no file, as the interpreter reports it.

What libraries do when they are imported is listed by library and deed, so that a new one is noticed; nobody connects.
"""

import subprocess
import sys

import pytest

WATCH = """
import os, sys, traceback
seen = []
DEEDS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn",
         "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.move")

def watch(event, args):
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event.startswith("socket.") or event in DEEDS or (writes and args[0] != os.devnull):
        files = [frame.filename for frame in traceback.extract_stack()]
        packages = [file.partition("site-packages/")[2].partition("/")[0] for file in files if "site-packages/" in file]
        seen.append(f"{packages[-1] if packages else 'ours'}: {event} {args[0] if args else ''}")

sys.addaudithook(watch)
"""
DEEDS = {
    "import": "import learnerkit.all",
    "help": "from learnerkit.cli import main; assert main(['train', '--help']) == 0",
    "load_run": "from learnerkit.all import load_run; load_run(sys.argv[1])",
    "load_model": "from learnerkit.runs.export import load_model; load_model(sys.argv[1])",
}
OF_LIBRARIES = (  # torch looks for CUDA and makes its folder of compiled code, matplotlib its own; urllib3 tries IPv6
    "cuda: subprocess.Popen /sbin/ldconfig",
    "torch: os.mkdir",
    "torch: open",  # a file of tempfile's, which finds out where it may write, and its removal
    "torch: os.remove",
    "matplotlib: os.mkdir",
    "urllib3: socket.__new__",
    "urllib3: socket.bind",
)


def reported(code, *args):
    """What a process of its own did that somebody could mind, but for what libraries are known to do."""
    end = "\nprint('seen', *seen, sep='\\n', file=sys.stderr)"
    command = [sys.executable, "-B", "-c", WATCH + code + end, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.partition("seen\n")[2].splitlines()
    return [line for line in lines if not line.startswith(OF_LIBRARIES)]


@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_is_opened_started_or_written(deed, digits_run):
    assert reported(DEEDS[deed], digits_run) == []


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_server(('127.0.0.1', 0)).close()",
        "import subprocess; subprocess.run(['true'])",
        "os.fork() or os._exit(0)",
        "open(sys.argv[1], 'w').close()",
        "os.mkdir(sys.argv[1])",
    ],
)
def test_what_would_be_minded_is_seen(code, tmp_path):
    assert reported(code, tmp_path / "new")
