"""What a compiler would say while it works (source: torch._logging): nothing is compiled."""


def set_logs(*arguments, **options):
    """Accepted."""


def getArtifactLogger(module_qname, artifact_name):
    """A logger of Python's (source: torch._logging.getArtifactLogger)."""
    import logging

    return logging.getLogger(f"{module_qname}.__{artifact_name}")
