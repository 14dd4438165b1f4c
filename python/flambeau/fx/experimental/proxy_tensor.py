"""What programs ask of a trace of operators (source: torch.fx.experimental.proxy_tensor)."""


def get_proxy_mode():
    """None: operators are never traced."""
    return None
