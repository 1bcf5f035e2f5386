"""The field's text formats: told apart by content, read exactly, refused by line when something is wrong."""

import re
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from solvers import InvalidProblemError, solve
from solvers.instances.files import instance_paths, read_instance, read_instances

MARKET_SPLIT = "# Some library\n# Some licence\n\n2 4\n 1 2 3 4 5\n 9 0 1 2 11\n"
KPLIB = "\n3\n9\n\n4 4\n5 5\n6 6\n"
MKNAP1 = "2\n3 2 0\n 5 7\n 9\n1 2 3\n4 5 6\n 5 7\n2 1 8\n3 5\n3 5\n8\n"
SAC94 = "2 3 // 2 knapsacks, 3 objects\n 5 7 9\n 5 7\n 1 2 3\n 4 5 6\n\n 12\n"
MKNAP2 = f"A text with numbers\n like 10 20\n\n+++++++\n\n problem ONE.DAT\n\n+++++++\n {SAC94}\n+++++++\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder, content, name="x.txt"):
    return read_instance(write(folder, name, content))


def numbers(instance):
    return instance.problem.items.tolist(), instance.problem.target


# -- what is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["3 10\n4\n5\n6\n", "3 10\r\n4\r\n5\r\n6", "\ufeff3 10\n\n4\n# five\n5\n6 // six\n"]
)
def test_martello_toth(tmp_path, content):
    instance = read(tmp_path, content, "seven.dat")
    assert numbers(instance) == ([4, 5, 6], 10)
    assert instance.problem.tolerance is None
    assert instance.name == "seven"
    assert "capacity" in instance.source


def test_target_is_the_capacity_and_the_nearest_sum_may_exceed_it(tmp_path):
    answer = solve(read(tmp_path, "2 10\n11\n7\n").problem)
    assert (answer.error, answer.subset.tolist()) == (1, [0])


def test_integers_of_any_size_stay_exact(tmp_path):
    assert numbers(read(tmp_path, f"2 {10**300}\n{10**300 + 1}\n-7\n")) == ([10**300 + 1, -7], 10**300)


def test_kplib(tmp_path):
    assert numbers(read(tmp_path, KPLIB, "x.kp")) == ([4, 5, 6], 9)


def test_market_split_is_an_exact_vector_hit(tmp_path):
    instance = read(tmp_path, MARKET_SPLIT, "ms.dat")
    assert numbers(instance) == ([[1, 9], [2, 0], [3, 1], [4, 2]], (5, 11))
    assert instance.problem.tolerance == 0
    assert instance.known is None
    assert "Some licence" in instance.source  # the attribution goes where the instance goes


def test_market_split_with_its_published_solution(tmp_path):
    path = write(tmp_path, "ms.dat", MARKET_SPLIT)
    solution = write(tmp_path, "ms.opt.sol", "1 0 0 1\n")
    for given_path in (path, solution):
        instance = read_instance(given_path)
        assert instance.name == "ms"
        assert instance.known == {"status": "OPTIMAL", "error": 0}
    assert instance_paths(tmp_path) == [path]


@pytest.mark.parametrize("row", ["1 1 0 1", "1 0 0", "2 0 0 1", "1 0 0 1\n1 0 0 1", "x", ""])
def test_published_solution_that_does_not_hit_is_refused(tmp_path, row):
    path = write(tmp_path, "ms.dat", MARKET_SPLIT)
    write(tmp_path, "ms.opt.sol", row)
    with pytest.raises(InvalidProblemError, match=r"ms\.opt\.sol"):
        read_instance(path)


def burkardt(folder):
    write(folder, "q1_w.txt", "5\n3\n2\n8\n")
    write(folder, "q1_c.txt", "10\n")
    write(folder, "q1_s.txt", "1 1 1 0\n0 0 1 1\n")


@pytest.mark.parametrize("role", "wcs")
def test_burkardt_from_any_of_its_files(tmp_path, role):
    burkardt(tmp_path)
    instance = read_instance(tmp_path / f"q1_{role}.txt")
    assert numbers(instance) == ([5, 3, 2, 8], 10)
    assert (instance.name, instance.problem.tolerance) == ("q1", 0)
    assert instance.known == {"status": "OPTIMAL", "error": 0}
    assert instance_paths(tmp_path) == [tmp_path / "q1_w.txt"]


def test_burkardt_without_solutions(tmp_path):
    burkardt(tmp_path)
    (tmp_path / "q1_s.txt").unlink()
    assert read_instance(tmp_path / "q1_w.txt").known is None


@pytest.mark.parametrize(("missing", "asked"), [("c", "w"), ("w", "c"), ("w", "s"), ("c", "s")])
def test_burkardt_names_the_missing_sibling(tmp_path, missing, asked):
    burkardt(tmp_path)
    (tmp_path / f"q1_{missing}.txt").unlink()
    with pytest.raises(InvalidProblemError, match=rf"q1_{missing}\.txt"):
        read_instance(tmp_path / f"q1_{asked}.txt")


def test_burkardt_wrong_solution_is_refused_by_line(tmp_path):
    burkardt(tmp_path)
    write(tmp_path, "q1_s.txt", "1 1 1 0\n1 0 0 1\n")
    with pytest.raises(InvalidProblemError, match=r"q1_s\.txt line 2.*13.*10"):
        read_instance(tmp_path / "q1_w.txt")


def test_name_does_not_outweigh_content(tmp_path):
    assert numbers(read(tmp_path, "2 5\n3\n4\n", "old_w.txt")) == ([3, 4], 5)
    json_text = '{"format": "subset-sum", "version": 1, "items": [1], "target": 1}'
    assert numbers(read(tmp_path, json_text, "x.dat")) == ([1], 1)
    assert numbers(read(tmp_path, MARKET_SPLIT, "x.kp"))[1] == (5, 11)


# -- multidimensional knapsacks ----------------------------------------------------------------------


def test_mknap1_with_profits_that_are_the_fill_is_read_whole(tmp_path):
    first, second = read_instances(write(tmp_path, "mk.txt", MKNAP1))
    assert numbers(first) == ([[1, 4], [2, 5], [3, 6]], (5, 7))
    assert (first.name, second.name) == ("mk-1", "mk-2")
    assert numbers(second) == ([[3], [5]], (8,))
    assert "stated optimum 8 of at most 8" in second.source


def test_read_instance_refuses_several_with_their_count(tmp_path):
    with pytest.raises(InvalidProblemError, match="holds 2 problems"):
        read(tmp_path, MKNAP1)


@pytest.mark.parametrize(("content", "name"), [(SAC94, "x"), (MKNAP2, "ONE.DAT")])
def test_mknap2_and_its_single_problems(tmp_path, content, name):
    instance = read(tmp_path, content)
    assert instance.name == name
    assert numbers(instance) == ([[1, 4], [2, 5], [3, 6]], (5, 7))


def test_exact_hit_attains_the_bound_of_the_knapsack(tmp_path):
    """The reason why such a file may be read: brute force over the knapsack agrees."""
    (instance,) = read_instances(write(tmp_path, "x.txt", SAC94.replace("5 7\n 1", "5 11\n 1")))
    rows = instance.problem.items.tolist()
    fits = [
        sum(map(sum, chosen))
        for mask in range(8)
        if (chosen := [rows[i] for i in range(3) if mask >> i & 1]) is not None
        and sum(r[0] for r in chosen) <= 5
        and sum(r[1] for r in chosen) <= 11
    ]
    assert max(fits) == 16 == 5 + 11
    assert solve(instance.problem).error == 0


@pytest.mark.parametrize(
    "content",
    [
        MKNAP1.replace(" 9\n", " 8\n"),
        SAC94.replace("5 7 9", "0 0 0"),
        SAC94.replace("5 7 9", "1 1 1"),
        MKNAP2.replace("5 7 9", "5 7 10"),
    ],
)
def test_other_profits_are_a_knapsack(tmp_path, content):
    with pytest.raises(InvalidProblemError, match="knapsack"):
        read_instances(write(tmp_path, "x.txt", content))


# -- what is refused ---------------------------------------------------------------------------------

BAD = {
    "empty": ("", "is empty"),
    "only comments": ("# nothing\n\n", "is empty"),
    "binary": (b"\x7fELF\x02\x01\x01\xff\xfe\x00", "neither JSON nor text"),
    "one number": ("7\n", "line 1"),
    "bare list": ("7\n8\n9\n", "which is the target"),
    "words": ("Dear reader, hello\n", "line 1"),
    "header only": ("3 10\n", "line 1.*truncated"),
    "too few items": ("3 10\n4\n5\n", "line 3.*2 of 3 items"),
    "too many items": ("3 10\n4\n5\n6\n7\n", "line 5.*announced 3"),
    "two items in a line": ("3 10\n4\n5 6\n", "line 1|line 3"),
    "an item that is no integer": ("2 10\n4\n5.5.5\n", "line 3.*'5.5.5'"),
    "a word among items": ("2 10\n4\nfive\n", "line 3.*'five'"),
    "n zero": ("0 10\n4\n", "line 1.*at least 1"),
    "n negative": ("-1 10\n4\n", "line 1.*at least 1"),
    "n huge": (f"{10**30} 10\n4\n", "line 2.*truncated"),
    "an absurd integer": (f"1 {'9' * 5000}\n4\n", "line 1"),
    "other digits": ("1 ٣\n4\n", "line 1"),
    "kplib of another class": (KPLIB.replace("5 5", "7 5"), "line 6.*knapsack"),
    "kplib truncated": ("\n3\n9\n\n4 4\n5 5\n", "line 6.*truncated"),
    "kplib too long": (KPLIB + "7 7\n", "line 8"),
    "market split with a short row": (MARKET_SPLIT.replace(" 11", ""), "line 6"),
    "market split with a long row": (MARKET_SPLIT.replace(" 11", " 11 3"), "line 6"),
    "market split truncated": (MARKET_SPLIT.replace("2 4\n", "3 4\n"), "line 6.*2 of 3 rows"),
    "market split too long": (MARKET_SPLIT + "1 2 3 4 5\n", "line 7"),
    "market split with a version": (MARKET_SPLIT.replace(" 9", " 9.0.0"), "line 6.*9.0.0"),
    "mknap1 truncated": (MKNAP1[:-4], "truncated"),
    "mknap1 too long": (MKNAP1 + "1\n", "line 12"),
    "mknap1 with impossible counts": ("1\n3 99999999999 0\n1 1 1\n", "truncated"),
    "mknap1 with a word": (MKNAP1.replace("7", "x"), "line 3.*'x'"),
    "mknap2 without problems": ("text\n+++++\ntext\n", "no section"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_refused_with_file_and_line(tmp_path, case):
    content, words = BAD[case]
    with pytest.raises(InvalidProblemError, match=rf"(?s)x\.txt.*({words})") as caught:
        read_instances(write(tmp_path, "x.txt", content))
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("solvers.instances.pages.MOST_NUMBERS", 100)
    with pytest.raises(InvalidProblemError, match="more than 100 numbers"):
        read(tmp_path, "200 5\n" + "1\n" * 200)
    monkeypatch.setattr("solvers.instances.pages.MOST_BYTES", 1 << 20)
    with pytest.raises(InvalidProblemError, match="larger than 1 MiB"):
        read(tmp_path, b"1" * (2 << 20))


# -- anything at all ---------------------------------------------------------------------------------

SAMPLES = ["3 10\n4\n5\n6\n", KPLIB, MARKET_SPLIT, MKNAP1, SAC94, MKNAP2]
NAMES = ["x.txt", "x.dat", "x.kp", "x_w.txt", "x_c.txt", "x_s.txt", "x.opt.sol", "x"]
snippets = st.sampled_from(
    ["0", "1", "-", " ", "\n", "99999999999999999999", ".", "#", "//", "+++++", "é", "{", "1/2"]
)


@st.composite
def mutated(draw):
    text = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 5)))
        text = text[:start] + draw(st.one_of(st.just(""), snippets)) + text[stop:]
    return text.encode()


anything = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode(errors="replace")),
    st.text("0123456789 \n-+.#", max_size=80).map(str.encode),
    mutated(),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=anything, name=st.sampled_from(NAMES), other=anything)
@example(content=b"1 1\n1\n", name="x_w.txt", other=b"")
def test_whatever_the_content_it_is_read_or_refused(tmp_path, content, name, other):
    write(tmp_path, "x_c.txt", other)
    try:
        for instance in read_instances(write(tmp_path, name, content)):
            assert instance.problem.n >= 1
            assert instance.known in (None, {"status": "OPTIMAL", "error": Fraction(0)})
    except InvalidProblemError as error:
        assert re.search(r"x(_[wcs]|\.opt)?(\.\w+)?", str(error))  # noqa: PT017
