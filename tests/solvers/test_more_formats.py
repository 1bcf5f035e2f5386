"""Files as the field keeps them: knapsacks that are subset sums, tables, decimals; others are named."""

import bz2
import gzip
import io
import lzma
from fractions import Fraction

import numpy as np
import pytest

from solvers import InvalidProblemError
from solvers.instances.files import instance_paths, read_instance, read_instances

PISINGER = "knapPI_6_3_10\nn 3\nc 9\nz 9\ntime 0.00\n1,4,4,1\n2,5,5,1\n3,6,6,0\n-----\n\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def numbers(instance):
    return instance.problem.items.tolist(), instance.problem.target


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


ALIKE = {
    "Martello-Toth": "3 9\n4\n5\n6\n",
    "all items on one line": "3 9\n4 5 6\n",
    "JSON of items and target alone": '{"items": [4, 5, 6], "target": 9}',
    "an .npz": npz(items=[4, 5, 6], target=9),
    "with commas": "3,9\n4\n5\n6\n",
    "profit weight": "3 9\n4 4\n5 5\n6 6\n",
    "profit weight and a solution": "3 9\n4 4\n5 5\n6 6\n1 1 0\n",
    "profit weight with commas": "3, 9\n4, 4\n5, 5\n6, 6\n",
    "kplib": "3\n9\n\n4 4\n5 5\n6 6\n",
    "Pisinger": PISINGER,
    "Pisinger without solutions": "x\nn 3\nc 9\n1 4 4\n2 5 5\n3 6 6\n",
    "Pisinger's generator": "3\n 1 4 4\n 2 5 5\n 3 6 6\n9\n",
    "table": "# target: 9\namount\n4\n5\n6\n",
    "table with a target": "item,amount\na,4\nb,5\nc,6\ntarget,9\n",
    "table with semicolons": "item;amount\na;4\nb;5\nc;6\ntarget;9\n",
    "table with tabs": "item\tamount\na\t4\nb\t5\nc\t6\ntarget\t9\n",
    "table with profits": "profit,weight\n4,4\n5,5\n6,6\n# capacity = 9\n",
    "table of a frame": ",amount\n0,4\n1,5\n2,6.0\ntarget,9\n",
    "quoted": '"item","amount"\n"a, b",4\n"c",5\n"d",6\n"target",9\n',
}  # fmt: skip


@pytest.mark.parametrize("kind", ALIKE)
def test_one_problem_in_all_its_layouts(tmp_path, kind):
    path = write(tmp_path, "x.csv" if "table" in kind else "x.txt", ALIKE[kind])
    assert numbers(read_instance(path)) == ([4, 5, 6], 9)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(("name", "content"), [
    ("x.txt", ALIKE["kplib"]),
    ("x.json", '{"format": "subset-sum", "version": 1, "items": [4, 5, 6], "target": 9}'),
])  # fmt: skip
def test_compressed_files_are_what_was_compressed(tmp_path, pack, name, content):
    suffix = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}[pack]
    path = write(tmp_path, name + suffix, pack(content.encode()))
    instance = read_instance(path)
    assert (instance.name, numbers(instance)) == ("x", ([4, 5, 6], 9))
    assert instance_paths(tmp_path) == [path]


def test_siblings_may_be_compressed(tmp_path):
    write(tmp_path, "q_w.txt.gz", gzip.compress(b"4\n5\n6\n"))
    write(tmp_path, "q_c.txt.gz", gzip.compress(b"9\n"))
    assert numbers(read_instance(tmp_path / "q_c.txt.gz")) == ([4, 5, 6], 9)
    assert instance_paths(tmp_path) == [tmp_path / "q_w.txt.gz"]


def test_damaged_and_endless_compressed_files_are_refused(tmp_path, monkeypatch):
    whole = gzip.compress(b"3 9\n4\n5\n6\n" * 1000)
    for content in (whole[:-9], whole[:20] + b"\xff" * 20):
        with pytest.raises(InvalidProblemError, match="compressed, and damaged"):
            read_instance(write(tmp_path, "x.txt.gz", content))
    monkeypatch.setattr("solvers.instances.pages.MOST_BYTES", 1 << 12)
    with pytest.raises(InvalidProblemError, match="larger than"):
        read_instance(write(tmp_path, "x.txt.gz", whole))


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"3 9\n4\n5\n6\n")))
    instance = read_instance("-")
    assert (instance.name, numbers(instance)) == ("stdin", ([4, 5, 6], 9))


# -- numbers -------------------------------------------------------------------------------------------


def test_decimals_are_exactly_what_is_written(tmp_path):
    cents = ([Fraction(1, 10), Fraction(1, 5), 3], Fraction(3, 10))
    for content in (
        "3 0.3\n0.10\n.2\n3.0\n",
        "3 0.3\n0.1 1e-1\n0.2 0.2\n3 3.\n",
        "# target: 0.3\n1/10\n0.2\n3\n",
    ):
        name = "x.csv" if "target" in content else "x.txt"
        assert numbers(read_instance(write(tmp_path, name, content))) == cents


# -- vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [
    "5 7 0.5\n1 4 0.5\n2 5 0\n3 6 0\n4 3 0\n",
    "5,7,0.5\n1,4,0.5\n2,5,0\n3,6,0\n4,3,0\n".replace(",", " "),
    "a,b,c\n1,4,0.5\n2,5,0\n3,6,0\n4,3,0\n# target: 5 7 0.5\n",
    "x,a,b,c\nu,1,4,0.5\nv,2,5,0\ntarget,5,7,0.5\nw,3,6,0\nz,4,3,0\n",
])  # fmt: skip
def test_vectors(tmp_path, content):
    found = numbers(read_instance(write(tmp_path, "x.txt", content)))
    assert found == ([[1, 4, Fraction(1, 2)], [2, 5, 0], [3, 6, 0], [4, 3, 0]], (5, 7, Fraction(1, 2)))


def test_vectors_of_two_coordinates_with_the_target_first(tmp_path):
    found = numbers(read_instance(write(tmp_path, "x.txt", "5 7\n1 4\n2 5\n3 6\n")))
    assert found == ([[1, 4], [2, 5], [3, 6]], (5, 7))


@pytest.mark.parametrize(("content", "items"), [
    ("4\n5\n6\n", [4, 5, 6]),
    ("amount\n4\n5\n6\n", [4, 5, 6]),
    ("4,5\n6,7\n", [[4, 5], [6, 7]]),
    ("4 5 6\n1 2 3\n", [[4, 5, 6], [1, 2, 3]]),
])  # fmt: skip
def test_items_alone_with_the_callers_target(tmp_path, content, items):
    path = write(tmp_path, "x.csv" if "," in content or "amount" in content else "x.txt", content)
    target = 9 if not isinstance(items[0], list) else [9] * len(items[0])
    (instance,) = read_instances(path, target=target)
    assert numbers(instance)[0] == items
    if "," in content or len(str(content).split()) == len(items):
        with pytest.raises(InvalidProblemError, match="does not say which is the target"):
            read_instances(path)


# -- Pisinger ------------------------------------------------------------------------------------------


def test_pisinger_several_with_what_is_known(tmp_path):
    other = PISINGER.replace("c 9", "c 12").replace("z 9", "z 11").replace("1,4,4,1", "1,4,4,0")
    other = other.replace("3,6,6,0", "3,6,6,1")
    first, second = read_instances(write(tmp_path, "x.csv", PISINGER + other))
    assert first.known == {"status": "OPTIMAL", "error": 0}
    assert (second.known, second.problem.target) == (None, 12)
    assert "stated optimum 11" in second.source


# -- what is refused -----------------------------------------------------------------------------------

REFUSED = {
    "knapsack": ("3 9\n4 4\n5 7\n6 6\n", "line 3.*a knapsack"),
    "Pisinger's knapsack": (PISINGER.replace("2,5,5", "2,7,5"), "line 7.*a knapsack"),
    "Pisinger's wrong optimum": (PISINGER.replace("z 9", "z 8"), "add up to 9, not to z = 8"),
    "Pisinger truncated": (PISINGER.replace("3,6,6,0\n", ""), "line 7.*truncated"),
    "Pisinger out of order": (PISINGER.replace("2,5", "7,5"), "item 2 expected"),
    "table of a knapsack": ("profit,weight\n4,4\n7,5\n# target: 9\n", "line 3.*a knapsack"),
    "table without a target": ("amount,\n4,\n5,\n", "number|which is the target"),
    "table with a unit": ("item,amount\na,4 EUR\n# target: 9\n", "line 2.*'4 EUR' is not a number"),
    "table with decimal commas": ("item;amount\na;4,5\n# target: 9\n", "line 2.*decimals with a point"),
    "table with a gap": ("a,b\n1,2\n3,\n# target: 4 5\n", "line 3.*not a number"),
    "table with a short target": ("a,b\n1,2\n# target: 4\n", "target has 1 numbers"),
    "table with two targets": ("a,b\nx,2\ntarget,4\ntarget,5\n", "line 4.*second"),
    "OPB": ("* #variable= 3 #constraint= 1\nmin: +1 x1;\n+3 x1 +4 x2 = 7;\n", "OPB"),
    "OPB without a header": ("+3 x1 +4 x2 >= 7 ;\n", "OPB"),
    "LP": ("\\ a comment\nMaximize\n obj: 3 x + 4 y\nSubject To\n c: 3 x + 4 y <= 9\nEnd\n", "an LP file"),
    "lp_solve": ("max: 143 x + 60 y;\n", "an LP file"),
    "MPS": ("* c\nNAME          TEST\nROWS\n N  COST\n", "an MPS file"),
    "MPS without a name": ("ROWS\n N  COST\n", "an MPS file"),
    "DIMACS": ("c a comment\np cnf 3 2\n1 -3 0\n", "DIMACS"),
    "TSPLIB": ("NAME : x\nTYPE : TSP\n", "TSPLIB"),
    "XML": ('<?xml version="1.0"?>\n<a/>', "XML"),
    "zip": (b"PK\x03\x04\x14\x00", "zip"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{}", "NumPy"),
    "npy without a target": (npy([1, 2]), "no array 'target'"),
    "npz without items": (npz(target=3, rows=[1]), "zip"),
    "npz with more": (npz(items=[1], target=3, rows=[1]), "'rows'"),
    "npz with pickles": (npz(items=np.array([1, "a"], object), target=3), "pickled"),
    "npz cut short": (npz(items=[1, 2, 3], target=3)[:-30], "NumPy"),
    "npz with NaN": (npz(items=[1, np.nan], target=3), "NaN|nan"),
    "JSON of another format": ('{"format": "x", "items": [1], "target": 1}', "format"),
    "JSON without items": ('{"target": 1}', "items"),
    "MiniZinc": ("int: n = 3;\narray[1..n] of int: a;\n", "MiniZinc"),
    "AMPL": ("param n := 3;\n", "AMPL"),
    "SMT-LIB": ("(set-logic QF_LIA)\n", "SMT-LIB"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_named(tmp_path, case):
    content, words = REFUSED[case]
    name = "x.csv" if "table" in case else "x.txt"
    with pytest.raises(InvalidProblemError, match=rf"(?s)x\.\w+.*({words})"):
        read_instances(write(tmp_path, name, content))
    packed = gzip.compress(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidProblemError, match=rf"(?s)x\.\w+.*({words})"):
        read_instances(write(tmp_path, name + ".gz", packed))


@pytest.mark.parametrize("header", ["min,max", "name,amount", "var;amount", "max", "p", "c"])
def test_headers_of_tables_are_no_models(tmp_path, header):
    cells = header.replace(";", ",").split(",")
    row = ",".join(["3"] * len(cells))
    content = f"{header}\n" + row.replace(",", ";" if ";" in header else ",") + "\n"
    (instance,) = read_instances(
        write(tmp_path, "x.csv", content), target=[3] * (len(cells) - ("name" in cells))
    )
    assert instance.problem.n == 1


def test_what_an_archive_says_of_the_problem_is_kept(tmp_path):
    content = npz(
        items=[[1, 2], [3, 4.5]], target=[1, 2], tolerance=0.5, cardinality=[1, 2], multiplicity=[2, 1]
    )
    problem = read_instance(write(tmp_path, "x.npz", content)).problem
    assert (problem.n, problem.d, problem.tolerance, problem.cardinality) == (2, 2, Fraction(1, 2), (1, 2))
    (alone,) = read_instances(write(tmp_path, "x.npy", npy([4, 5, 6])), target=9)
    assert numbers(alone) == ([4, 5, 6], 9)
