"""Reading the pages that we write: balanced tags, unique ids, what they refer to and what they say."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Tags(HTMLParser):
    """Check that tags are balanced, ids unique, references inside the page; collect tags and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.ids, self.references, self.visible = [], [], [], [], []
        self.values = set()
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attrs):
        self.note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.visible.append(data)

    def note(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        self.seen.append(tag)
        assert not any(name.startswith("on") for name in attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "data":
            self.values.add(attributes["value"])
        self.references += [attributes[name] for name in ("href", "src", "xlink:href") if name in attributes]
        self.references += re.findall(
            r"url\(([^)]*)\)", " ".join(value or "" for value in attributes.values())
        )

    @property
    def text(self):
        return " ".join("".join(self.visible).split())
