"""What a file is that is no subset-sum instance: named by its first bytes, so that the message can say so."""

from __future__ import annotations

import re

_BYTES = {
    b"PK\x03\x04": "a zip archive (.xlsx, .ods, ..); save the numbers as CSV or JSON",
    b"\x80\x04": "a Python pickle, which is never loaded; save the numbers as CSV or JSON",
    b"\x80\x05": "a Python pickle, which is never loaded; save the numbers as CSV or JSON",
    b"\x89HDF": "an HDF5 file; save the numbers as CSV or JSON",
    b"PAR1": "a Parquet file; save the numbers as CSV or JSON",
    b"SQLite format 3": "an SQLite database; save the numbers as CSV or JSON",
    b"%PDF": "a PDF document",
    b"<": "XML or HTML",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it first",
}
_MODEL = "which states a whole model; give it to a solver of such models, or the items and the target as JSON"
_OPB = r"\*\s*#variable=|(?:min|max):\s*[+-]?\d+\s*~?x\d|[+-]\d+\s+~?x\d+[^\n]*(?:>=|=)"
_LP = r"(?:\\[^\n]*\n\s*)*(?:minimi[sz]e|maximi[sz]e|min|max)\b(?=\s*:|.*\b(?:subject\s+to|st|s\.t|end)\b)"
_MINIZINC = r"(?:%[^\n]*\n|\s)*(?:int\s*:|var\s+[\w.{}, ]+:|array\s*\[|include\s+\"|predicate\s+\w+\()"
_TEXTS = {
    _OPB: f"an OPB file (pseudo-Boolean), {_MODEL}",
    _LP: f"an LP file, {_MODEL}",
    r"(?:\*[^\n]*\n)*(?:NAME\b[^\n]*\n(?:\*[^\n]*\n)*)?\s*(?:OBJSENSE|ROWS)\b": f"an MPS file, {_MODEL}",
    r"(?:c\b[^\n]*\n)*p\s+\w+\s+\d": "a DIMACS file, of a graph or a formula",
    r"NAME\s*:": "a TSPLIB file",
    r"\(set-(?:logic|info|option)\b": f"an SMT-LIB file, {_MODEL}",
    _MINIZINC: f"a MiniZinc file, {_MODEL}",
    r"(?:#[^\n]*\n)*(?:set|param|var)\s+\w+[^;\n]*(?::=|;\s*$)": f"an AMPL file, {_MODEL}",
}
_LOOKED_AT = 4096


def foreign_kind(content: bytes) -> str | None:
    """Return what a file's content is, where that is known and is no instance; None otherwise.

    >>> foreign_kind(b"* #variable= 3 #constraint= 1").split(",")[0]
    'an OPB file (pseudo-Boolean)'
    """
    start = content[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, kind in _BYTES.items():
        if start.startswith(mark):
            return kind
    text = start.decode("utf-8", "replace")
    flags = re.IGNORECASE | re.DOTALL
    return next((kind for words, kind in _TEXTS.items() if re.match(words, text, flags)), None)
