"""Where the book's folder is, and one file for one at a time."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from resnet_lib import files


def test_root_is_the_nearest_folder_with_the_ledger(tmp_path):
    inner = tmp_path / "book" / "chapters" / "part"
    inner.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no claims\.yml in .*part or above it; change to the book's folder"):
        files.root(inner)
    (tmp_path / "claims.yml").touch()
    (tmp_path / "book" / "claims.yml").touch()
    assert files.root(inner) == tmp_path / "book"


def is_free(path: Path) -> bool:
    """Whether nobody works on the file, as another lock sees it that does not wait."""
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except TimeoutError:
        return False
    lock.release()
    return True


def test_a_file_is_for_one_at_a_time_and_is_let_go_of_after_an_error(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    with files.alone(path):
        assert not is_free(path)
        assert is_free(path.with_name("b.safetensors"))
    assert is_free(path)
    with pytest.raises(ZeroDivisionError), files.alone(path):
        raise ZeroDivisionError
    assert is_free(path)


def test_a_process_that_dies_lets_go_of_its_file(tmp_path):
    path = tmp_path / "a.safetensors"
    code = "import os, sys\nfrom pathlib import Path\nfrom resnet_lib import files\n"
    code += (
        "with files.alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n    os._exit(3)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert not is_free(path)
        other.communicate()
    assert other.returncode == 3
    assert is_free(path)
