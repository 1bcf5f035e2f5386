"""Our docstrings as the reference pages need them: names in code type, examples in boxes of their own."""

import re

import griffe

ROLE = re.compile(r":\w+:`~?\.?([\w.]+)`")
EXAMPLE = re.compile(r"(?:^|\n\n)(>>> .*?)(?=\n\n|\Z)", re.DOTALL)
GREATER = re.compile(r"^(\s*)>(?!>>)", re.MULTILINE)  # a line that starts with >= is no quotation
SECTION = re.compile(r"\nExamples\n-+\n")  # griffe sets what stands below this itself


class Docstrings(griffe.Extension):
    """Rewrites each docstring as it is read: :func:`.solve` becomes `solve`, a bare example a fenced one."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = shown(obj.docstring.value)


def shown(text: str) -> str:
    """Return a docstring as Markdown shows it well."""
    text = ROLE.sub(lambda role: f"`{role[1].rpartition('.')[2]}`", text)
    text = GREATER.sub(r"\1\\>", text)
    prose, *examples = SECTION.split(text, maxsplit=1)
    prose = EXAMPLE.sub(lambda found: f"\n\n```pycon\n{found[1]}\n```", prose)
    return "\nExamples\n--------\n".join([prose, *examples])
