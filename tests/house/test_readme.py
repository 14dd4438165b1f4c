"""The READMEs: the files they point to are there, and both hold the same code."""
import re


def test_links_lead_somewhere(root):
    for name in ("README.md", "README.zh.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (root / name).read_text()):
            assert (root / target).exists(), f"{name} points to {target}"


def test_both_hold_the_same_code(root):
    def code(name):
        blocks = re.findall(r"^```\w*\n(.*?)^```", (root / name).read_text(), re.M | re.S)
        return [re.sub(r"/\*.*?\*/|#(?!include).*", "", block) for block in blocks]
    assert [b.split() for b in code("README.md")] == [b.split() for b in code("README.zh.md")]


def test_the_version_is_one(root):
    header = (root / "include/flambeau/base.h").read_text()
    numbers = re.findall(r"#define FLAMBEAU_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    python = (root / "python/flambeau/version.py").read_text()
    assert (re.search(r'#define FLAMBEAU_VERSION +"([\d.]+)"', header)[1] == ".".join(numbers)
            == re.search(r'__version__ = "([\d.]+)"', python)[1])
