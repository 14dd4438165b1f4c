"""What models ask of PyTorch's exporter to ONNX (source: torch.onnx): nothing is ever exported."""


def is_in_onnx_export():
    """False."""
    return False


def export(*args, **kwargs):
    """NotImplementedError."""
    raise NotImplementedError("Flambeau writes no ONNX files: save with torch.save or safetensors")


dynamo_export = export
