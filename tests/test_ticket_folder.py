"""The folder of a ticket: its names stand in one place, it is replaced whole, and nothing else is touched."""

import ast
import shutil
from pathlib import Path

import pytest

from subsetsum_nets import ticket_folder
from subsetsum_nets.ticket_folder import FILES, FORMAT, PROVENANCE, TARGET, check_folder, is_ticket, replaced

PACKAGE = Path(ticket_folder.__file__).parent
OWN_NAMES = {  # the checker stands alone; experiments leave a provenance of their own
    "verification/check_certificate.py": {"target.safetensors", "pruned.safetensors", "certificate.json"},
    "experiments/records.py": {"provenance.json"},
    "experiments/packing/outputs.py": {"provenance.json"},
}


def filled(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("x")
    (folder / PROVENANCE).write_text(f'{{"format": "{FORMAT}"}}')
    return folder


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_names_of_files_stand_in_one_place():
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place == "ticket_folder.py":
            continue
        constants = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
        found = {value for value in constants if isinstance(value, str) and value in FILES | {FORMAT}}
        assert found <= OWN_NAMES.get(place, set()), place


def test_what_a_ticket_is(tmp_path):
    assert is_ticket(filled(tmp_path / "ticket", *FILES))
    assert is_ticket(filled(tmp_path / "part", TARGET))
    assert not is_ticket(filled(tmp_path / "mixed", TARGET, "thesis.txt"))
    (tmp_path / "empty").mkdir()
    assert not is_ticket(tmp_path / "empty")
    for number, text in enumerate(("", "[]", "{}", '{"format": 3}', "[" * 100_000, '"x"')):
        folder = filled(tmp_path / f"other-{number}", TARGET)
        (folder / PROVENANCE).write_text(text)
        assert not is_ticket(folder)


def test_a_place_is_checked_without_a_trace(tmp_path):
    for place in (tmp_path / "new", filled(tmp_path / "ticket", TARGET)):
        before = contents(tmp_path)
        check_folder(place)
        assert contents(tmp_path) == before
    check_folder(tmp_path / "deep" / "down")
    assert contents(tmp_path / "deep") == []
    with pytest.raises(FileExistsError, match="other files"):
        check_folder(filled(tmp_path / "mixed", "thesis.txt"))
    with pytest.raises(FileExistsError, match="is a file"):
        check_folder(tmp_path / "mixed" / "thesis.txt")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    place = filled(tmp_path / "ticket", TARGET)
    with replaced(place) as staging:
        (staging / "masks.npz").write_text("new")
        assert contents(place) == sorted((TARGET, PROVENANCE))  # until the end
    assert contents(tmp_path) == ["ticket", "ticket/masks.npz"]
    with replaced(tmp_path / "second") as staging:
        (staging / TARGET).write_text("new")
    assert contents(tmp_path / "second") == [TARGET]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_an_error_leaves_the_earlier_folder(tmp_path, error):
    place = filled(tmp_path / "ticket", TARGET)
    before = contents(tmp_path)

    def half_written(folder):
        with replaced(folder) as staging:
            (staging / TARGET).write_text("half")
            raise error

    for folder in (place, tmp_path / "new"):
        with pytest.raises(type(error)):
            half_written(folder)
    assert contents(tmp_path) == before
    with pytest.raises(FileExistsError), replaced(filled(tmp_path / "mixed", "thesis.txt")):
        raise AssertionError("not reached")


def test_what_a_kill_left_beside_a_ticket_is_removed_by_the_next_save(tmp_path):
    place = tmp_path / "ticket"
    for name in (".ticket-0123abcd", ".ticket-00000000"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "masks.npz").write_bytes(b"half")
    others = [".ticket-old", ".ticket-0123abcd-notes", ".other-0123abcd", "ticket-0123abcd"]
    for name in others:
        (tmp_path / name).mkdir()
    with replaced(place) as outer:
        (outer / "a").write_bytes(b"1")
        with replaced(place) as inner:  # as another process at work would
            (inner / PROVENANCE).write_text(f'{{"format": "{FORMAT}"}}')
        assert (outer / "a").read_bytes() == b"1"  # locked, and so left alone
        shutil.rmtree(place)
    assert (place / "a").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "ticket"])
