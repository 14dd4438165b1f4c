"""Traces of operators (source: torch.fx.experimental): there are none."""
