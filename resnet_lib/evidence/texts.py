"""This module reads text files as people leave them, and says the file and the line of what is wrong in them."""

import re
from pathlib import Path

# Git writes both of these into a file that it could not merge; the line of equals signs between them may be a heading.
CONFLICT = re.compile(r"^(<{7}|>{7})(?=[ \r\n]|$)", re.MULTILINE)


class TextError(ValueError):
    """A text file cannot be read as it is; the message is one sentence with its path and the way out."""


def read(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, and lines that end as those of Python do.

    Raises:
        TextError: It is missing, no text, in another encoding, empty, or holds the marks of a merge conflict.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TextError(f"{path} cannot be read ({error.strerror}); restore it: git checkout -- {path.name}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        raise TextError(f"{path}, line {line}, is not UTF-8 ({found}); save the file in that encoding") from error
    if (nul := text.find("\0")) >= 0:
        raise TextError(f"{path}, line {line_of(text, nul)}, holds a zero byte, so it is no text in UTF-8; restore it")
    if not text.strip():
        raise TextError(f"{path} is empty; restore it: git checkout -- {path.name}")
    refuse_conflict(text, str(path))
    return text.replace("\r\n", "\n")


def refuse_conflict(text: str, place: str) -> None:
    """Raise a `TextError` where a text, whose `place` is put in words, holds the marks of a merge conflict."""
    if mark := CONFLICT.search(text):
        line = line_of(text, mark.start())
        raise TextError(f"{place}, line {line}, holds the mark of a merge conflict ({mark[1]}); resolve the conflict")


def line_of(text: str, position: int) -> int:
    """The line, counted from 1, that a position in a text lies in."""
    return text.count("\n", 0, position) + 1
