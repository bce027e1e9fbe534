from __future__ import annotations

import errno
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo as zoo_library
from tests.cli.conftest import Zoo
from zoo_cli.failures import described


def test_each_kind_of_error_has_its_exit_code(zoo: Zoo, masked: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(masked, broken)
    (broken / "config.json").write_text("{")
    (tmp_path / "wrong.yaml").write_text("models: 5\n")

    unknown = zoo.fails(2, "show", "bert-base-uncasd")
    usage = zoo.fails(2, "verify")
    task = zoo.fails(2, "run", "tiny-bert", "a", "--task", "text-classification")
    text = zoo.fails(1, "run", masked, "")
    registry = zoo.fails(1, "list", "--registry", "wrong.yaml")
    checkpoint = zoo.fails(1, "run", str(broken), "a [MASK]")
    cache = zoo.fails(1, "verify", "hf:org/name")
    plugin = zoo.fails(4, "run", masked, "a [MASK]", ZOO_DISABLE_PLUGINS="zoo_bert")
    device = zoo.fails(5, "run", masked, "a [MASK]", "--device", "cuda:99")
    network = zoo.fails(6, "download", "hf:org/name")
    offline = zoo.fails(6, "run", "bert-base-uncased", "a [MASK]", "--offline")

    assert "did you mean 'bert-base-uncased'" in unknown
    assert "their names, or --all" in usage
    assert task.startswith("tiny-bert cannot do text-classification; it can do fill-mask")
    assert text == "text 1: the text is empty; expected at least one word"
    assert registry.startswith("wrong.yaml:1: ")
    assert "config.json" in checkpoint
    assert "zoo download hf:org/name" in cache
    assert "model_type 'bert'" in plugin
    assert "cuda:99" in device
    assert "http://127.0.0.1:9" in network
    assert "zoo download bert-base-uncased" in offline


def test_parquet_without_pyarrow_says_what_to_install(zoo: Zoo, masked_texts: Path) -> None:
    # Python then finds no such package, as if it were not installed.
    (zoo.folder / "sitecustomize.py").write_text("import sys; sys.modules['pyarrow'] = None")
    path = f"{zoo.folder}{os.pathsep}{zoo.environment['PYTHONPATH']}"

    error = zoo.fails(
        4,
        "run",
        "tiny-bert",
        "--input",
        str(masked_texts),
        "--output",
        "a.parquet",
        PYTHONPATH=path,
    )

    assert error == ".parquet needs pyarrow: pip install 'zoo[parquet]'"


@pytest.fixture
def masked_texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("a [MASK]\n")
    return path


def test_a_mistyped_command_or_option_is_suggested(zoo: Zoo) -> None:
    command, option = zoo("lst"), zoo("list", "--taks", "fill-mask")

    assert (command.returncode, option.returncode) == (2, 2)
    assert "No such command 'lst'. Did you mean 'list'" in command.stderr
    assert "--task" in option.stderr
    assert command.stdout == option.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", f"./{'a' * 300}"),
        ("run", "tiny-bert", "--input", f"{'a' * 300}.txt"),
        ("run", "tiny-bert", "a [MASK]", "--output", f"{'a' * 300}.csv"),
    ],
)
def test_a_path_that_no_file_can_have_is_no_defect(zoo: Zoo, arguments: tuple[str, ...]) -> None:
    assert zoo.fails(2, *arguments).endswith("File name too long")


def test_a_defect_is_one_line_unless_debugging(zoo: Zoo, install: Callable[..., None]) -> None:
    install(
        "defect",
        "[zoo.plugins]\ndefect = defect_plugin\n",
        defect_plugin="import zoo_cli.output; zoo_cli.output.emit_table = None",
    )

    quiet = zoo("plugins", "list")
    loud = zoo("plugins", "list", ZOO_DEBUG="1")

    assert (quiet.returncode, loud.returncode) == (1, 1)
    assert "set ZOO_DEBUG=1 for the traceback" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


def test_what_a_plugins_object_lacks_is_the_plugins_defect() -> None:
    network = zoo_library.load("tiny-bert", device="cpu").network

    with pytest.raises(AttributeError) as caught:
        _ = network.labels

    message, code = described(caught.value)
    assert "has no attribute 'labels'; this is a defect of zoo_bert of zoo" in message
    assert code == 4


def test_debugging_shows_the_traceback_and_keeps_the_code(zoo: Zoo) -> None:
    done = zoo("show", "no-such-model", ZOO_DEBUG="1")

    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: no model named")


def test_a_reader_that_leaves_is_no_error(zoo: Zoo) -> None:
    command = f"{sys.executable} -m zoo_cli list --json | head -1"

    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        env=zoo.environment,
        cwd=zoo.folder,
        capture_output=True,
        text=True,
    )

    first, code = done.stdout.splitlines()
    assert (first, done.stderr) == ("{", "")
    assert code in ("0", "141")  # 0 when all had been written before head left


def test_a_full_disk_behind_standard_output_is_one_line(zoo: Zoo) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zoo_cli", "list"],
            env=zoo.environment,
            cwd=zoo.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("--help",), ("--version",)])
def test_a_closed_standard_output_is_one_line(zoo: Zoo, arguments: tuple[str, ...]) -> None:
    done = closed(zoo, ">&-", *arguments)

    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: Bad file descriptor\n"


def test_closed_standard_input_is_empty(zoo: Zoo) -> None:
    for model, message in (("tiny-bert", "no text: "), ("tiny-vit", "no picture: ")):
        done = closed(zoo, "<&-", "run", model)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {message}")


def test_where_nobody_reads_errors_the_exit_code_tells(zoo: Zoo) -> None:
    assert closed(zoo, "2>&-", "show", "none").returncode == 2
    assert closed(zoo, "2>/dev/full", "show", "none").returncode == 2
    assert "tiny-bert" in closed(zoo, "2>&-", "list", "tiny").stdout


def closed(zoo: Zoo, stream: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {stream}', "-", sys.executable, "-m", "zoo_cli", *arguments],
        env=zoo.environment,
        cwd=zoo.folder,
        capture_output=True,
        text=True,
    )


def test_what_the_machine_refuses_is_no_defect() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied", "secret/a.txt")

    assert described(denied) == ("'secret/a.txt': Permission denied", 1)
    assert described(OSError(errno.ENOSPC, "No space left")) == ("No space left", 1)
    assert "defect of zoo" in described(OSError(errno.EINVAL, "Invalid argument"))[0]


def test_an_unknown_home_is_a_folder_that_is_not_there(zoo: Zoo) -> None:
    assert zoo.fails(2, "run", "~nobody-here/x", "a") == "there is no folder '~nobody-here/x'"


def test_interrupting_exits_with_130(zoo: Zoo, install: Callable[..., None]) -> None:
    install(
        "slow",
        "[zoo.plugins]\nslow = slow_plugin\n",
        slow_plugin="import time\nopen('loading', 'w').close()\ntime.sleep(60)",
    )
    process = zoo.start("plugins", "list")
    until = time.monotonic() + 30
    while not (zoo.folder / "loading").exists():
        assert time.monotonic() < until
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, "", "")


def on_a_terminal(zoo: Zoo, *arguments: str, columns: int) -> str:
    """Run the command with standard output on a terminal of this width."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo_cli", *arguments],
        cwd=zoo.folder,
        env=zoo.environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    read = b""
    try:
        while block := os.read(ours, 65536):
            read += block
    except OSError:  # Linux says so when the other side has closed
        pass
    os.close(ours)
    process.communicate()
    assert process.returncode == 0
    return read.decode().replace("\r\n", "\n")


def test_a_table_fits_the_terminal(zoo: Zoo) -> None:
    wide = on_a_terminal(zoo, "list", "bert-base", columns=120).splitlines()
    narrow = on_a_terminal(zoo, "list", "bert-base", columns=60).splitlines()

    assert max(map(len, wide)) <= 120
    assert "SUMMARY" in wide[0]
    assert max(map(len, narrow)) <= 60
    assert "SUMMARY" not in narrow[0]
    assert "\x1b" not in "".join(wide)


def test_vectors_are_previewed_on_a_terminal(zoo: Zoo, masked: str) -> None:
    shown = on_a_terminal(
        zoo,
        "run",
        masked,
        "a dog",
        "--task",
        "feature-extraction",
        columns=120,
    )

    assert "… 24 numbers; all with --json" in shown
