"""Makes the notebooks out of the tutorials: the same words, the same code, executed.

``python docs/notebooks/make.py`` writes them anew; a test holds them to their pages and to what they print.
"""

import re
from hashlib import sha256
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).parent
PAGES = {"ticket.ipynb": "tutorial_ticket.md", "random_subset_sum.ipynb": "tutorial_random_subset_sum.md"}
PYTHON = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n\n?", re.MULTILINE)  # it is among the outputs
LINK = re.compile(r"\]\((?!https?://|#)")


def notebook(page: str) -> NotebookNode:
    """Return the notebook of a page, not executed: its prose and its Python, not what it shows printed."""
    cells = []
    for place, part in enumerate(PYTHON.split((HERE.parent / page).read_text())):
        if place % 2:
            cells.append(new_code_cell(shown(part.rstrip())))
        elif text := PICTURE.sub("", part).strip():
            cells.append(new_markdown_cell(LINK.sub("](../", text)))
    for place, cell in enumerate(cells):
        cell["id"] = sha256(f"{page} {place}".encode()).hexdigest()[:8]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def shown(code: str) -> str:
    """Return the code of a cell, which ends by showing the picture that it wrote, if it wrote one."""
    for picture in re.findall(r"savefig\((\S+?),", code):
        code += f"\n\nfrom IPython.display import Image\n\nImage({picture})"
    return code


def executed(made: NotebookNode, folder: Path) -> NotebookNode:
    """Run a notebook in a folder, and leave out when and by which version of Python."""
    NotebookClient(made, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    made["metadata"] = {"kernelspec": made["metadata"]["kernelspec"]}
    for cell in made["cells"]:
        cell["metadata"] = {}
    return made


def printed(made: NotebookNode) -> str:
    """Return the text that a notebook's cells print."""
    outputs = (output for cell in made["cells"] for output in cell.get("outputs", []))
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    for name, page in PAGES.items():
        with TemporaryDirectory() as folder:
            nbformat.write(executed(notebook(page), Path(folder)), HERE / name)
