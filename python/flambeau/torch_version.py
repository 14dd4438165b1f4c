"""A version that compares as versions do, with texts and with tuples (source:
torch.torch_version): `torch.__version__ >= (2, 0)`.

The order is PEP 440's, without epochs: release numbers, then dev < a < b < rc < final < post, then
what follows the plus.
"""

_PATTERN = (
    r"v?(\d+(?:\.\d+)*)"
    r"(?:[-_.]?(a|alpha|b|beta|rc|c|pre|preview)[-_.]?(\d*))?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?(\d*)|-(\d+))?"
    r"(?:[-_.]?dev[-_.]?(\d*))?"
    r"(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "rc": 2, "c": 2, "pre": 2, "preview": 2}


def _key(text):
    """What sorts as the version does; None where text is no version."""
    import re

    match = re.fullmatch(_PATTERN, text.strip().lower())
    if match is None:
        return None
    numbers, stage, stage_number, post, short_post, dev, local = match.groups()
    release = [int(number) for number in numbers.split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = post if post is not None else short_post
    if stage is not None:
        pre = (_STAGES[stage], int(stage_number or 0))
    else:
        pre = (3, 0) if dev is None or post is not None else (-1, 0)
    parts = re.split(r"[-_.]", local) if local else []
    return (
        release,
        pre,
        int(post or 0) if post is not None else -1,
        int(dev or 0) if dev is not None else float("inf"),
        [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts],
    )


class TorchVersion(str):
    """A version's text. Compares with another version, a text of one, or a tuple of its parts;
    with a text that is no version it compares as texts do."""

    def _order(self, other):
        """The two keys to compare."""
        if isinstance(other, (tuple, list)):
            other = ".".join(str(part) for part in other)
        elif not isinstance(other, str):
            raise ValueError(f"can't compare a version with {other!r}")
        own, others = _key(self), _key(other)
        if own is None or others is None:
            return str(self), str(other)
        return own, others

    def __eq__(self, other):
        if not isinstance(other, (str, tuple, list)):
            return NotImplemented
        own, others = self._order(other)
        return own == others

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __lt__(self, other):
        own, others = self._order(other)
        return own < others

    def __le__(self, other):
        own, others = self._order(other)
        return own <= others

    def __gt__(self, other):
        own, others = self._order(other)
        return own > others

    def __ge__(self, other):
        own, others = self._order(other)
        return own >= others

    __hash__ = str.__hash__
