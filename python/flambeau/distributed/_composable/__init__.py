"""Older names of torch.distributed's functions of modules (source: torch.distributed._composable).
"""
