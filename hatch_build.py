"""What a registry shows of this package: addresses, and a README whose links lead somewhere from there too.

One setting says where the repository is, ``repository`` under ``[tool.hatch.metadata.hooks.custom]`` in
pyproject.toml. While it is empty the package has no addresses, and relative links are shown as their text.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

IMAGE = re.compile(r"!\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)\n*")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)([^)\s]+)\)")
ADDRESSES = {
    "Documentation": "{}/blob/main/docs/index.md",
    "Source": "{}",
    "Issues": "{}/issues",
    "Changelog": "{}/blob/main/CHANGELOG.md",
}


class CustomMetadataHook(MetadataHookInterface):
    """Fills in README and addresses when the package is built."""

    def update(self, metadata: dict) -> None:
        """Set what pyproject.toml calls dynamic."""
        repository = self.config.get("repository", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": shown(text, repository)}
        metadata["urls"] = {name: form.format(repository) for name, form in ADDRESSES.items() if repository}


def shown(text: str, repository: str) -> str:
    """Return the README as it is read elsewhere than in its repository, whose address may be empty."""
    if not repository:
        return LINK.sub(r"\1", IMAGE.sub("", text))
    text = IMAGE.sub(rf"![\1]({repository}/raw/main/\2)\n\n", text)
    return LINK.sub(rf"[\1]({repository}/blob/main/\2)", text)
