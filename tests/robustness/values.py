"""Kinds of wrong values for a flag, by the type of value that it takes."""

from collections.abc import Mapping
from pathlib import Path

from harness import WRONG

NO_NUMBER = {
    "a word": "many",
    "an empty value": "",
    "a list": "[1]",
    "two numbers in one word": "1 2",
    "a decimal comma": "1,5",
    "NaN": "nan",
    "infinity": "inf",
    "minus infinity": "-inf",
    "null": "null",
    "true": "true",
    "a letter after the number": "3x",
}
INTEGER = {**NO_NUMBER, "a fraction": "1.5", "a number in words": "one", "a small fraction": "1e-3"}
NOT_NEGATIVE = {"a negative number": "-1", "a large negative number": str(-(10**20))}
POSITIVE = {**NOT_NEGATIVE, "zero": "0"}
SHARE = {"a negative number": "-0.1", "a number above one": "1.5"}
"""A number from 0 to 1."""
INNER_SHARE = {**SHARE, "zero": "0", "one": "1"}

COUNT = {**INTEGER, **POSITIVE}
SIZE = {**COUNT, "an absurd number": str(10**20), "more than memory holds": str(2**31 - 1)}
COUNT_OR_ZERO = {**INTEGER, **NOT_NEGATIVE}
SEED = {**COUNT_OR_ZERO, "a huge number": str(10**20)}
FLOAT = NO_NUMBER
WEIGHT = {**FLOAT, "a negative number": "-1"}
RATE = {**FLOAT, "a negative number": "-1", "zero": "0"}
SWITCH = {"an unknown choice": "perhaps", "a number": "2", "an empty value": "", "a list": "[true]"}
CHOICE = {
    "an unknown choice": "nothing",
    "an empty value": "",
    "a number": "3",
    "capitals": "CAPITALS",
    "two choices": "nothing,else",
}
NEW_FOLDER = {
    "a file in place of a folder": "p.csv",
    "a folder with other files": "root",
    "a folder below a file": "p.csv/NEW",
    "an empty value": "",
}
NEW_FILE = {
    "a folder in place of a file": "DATA",
    "a missing folder": "missing/page.csv",
    "a folder below a file": "p.csv/new.csv",
    "the record of a run": "RUN/run.json",
    "the table of a data folder": "DATA/items.parquet",
    "an empty value": "",
}
DATA = {
    "a missing folder": "missing",
    "a file in place of a folder": "p.csv",
    "a folder of other files": "root",
    "an empty folder": "empty",
    "a run in place of data": "RUN",
    "an empty value": "",
}
RUN = {
    "a missing folder": "missing",
    "a file in place of a folder": "p.csv",
    "a folder of other files": "root",
    "data in place of a run": "DATA",
    "an unfinished run": "UNFINISHED",
    "an empty value": "",
}
TABLE = {
    "a missing file": "missing.csv",
    "a folder in place of a file": "root",
    "a wrong extension": str(WRONG / "items.xyz"),
    "an empty value": "",
    "a picture": "pictures/v0.png",
}
IDS = {
    "an unknown id": "nobody",
    "an unknown id among others": "u1,v1,nobody",
    "an empty value": "",
    "only a comma": ",",
    "another case": "U1,V1",
    "a space before an id": " u1, v1",
}
ID_FILE = {
    "a missing file": "missing.txt",
    "a folder in place of a file": "root",
    "an unknown id": str(WRONG / "unknown.txt"),
    "an empty file": str(WRONG / "nothing.txt"),
    "an empty value": "",
    "a binary file": "visual.npy",
    "not UTF-8": str(WRONG / "latin.txt"),
    "a table without the column": str(WRONG / "column.csv"),
    "an unknown id in a table": str(WRONG / "ids.csv"),
    "a damaged table": str(WRONG / "bad.parquet"),
}


def write_id_files() -> None:
    """Writes the files that :obj:`ID_FILE` and the flags name."""
    laughs = "".join(f"v{i}: &v{i} [{', '.join([f'*v{i - 1}'] * 9)}]\n" for i in range(1, 10))
    contents: Mapping[str, bytes] = {
        "unknown.txt": b"nobody\n",
        "nothing.txt": b"",
        "latin.txt": "caf\xe9\n".encode("latin-1"),
        "column.csv": b"name\nu1\n",
        "ids.csv": b"user,item\nnobody,nobody\n",
        "bad.parquet": b"PAR1 no table PAR1",
        "aliases.yaml": f"v0: &v0 [1]\n{laughs}epochs: *v9\n".encode(),
        "twice.yaml": b"epochs: 1\nepochs: 2\n",
        "octal.yaml": b"epochs: 010\n",
        "itself.yaml": b"epochs: &it [*it]\n",
    }
    for name, content in contents.items():
        (WRONG / name).write_bytes(content)
    Path(WRONG, "items.xyz").write_text("item\nv0\n")
