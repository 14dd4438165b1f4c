"""Numbers that a compiler does not know yet (source: torch.SymInt): no number is one."""


class SymInt:
    """Never an instance."""


class SymFloat:
    """Never an instance."""


class SymBool:
    """Never an instance."""
