"""The dtypes and schemes of quantized tensors, as names: torch.qint8, torch.per_tensor_affine and
their like. Programs give them to torch.ao.quantization; no tensor has one of these dtypes."""


class _Named:
    __slots__ = ("_name",)

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"torch.{self._name}"

    def __reduce__(self):
        return self._name


class qscheme(_Named):
    """How integers stand for numbers (source: torch.qscheme)."""

    __slots__ = ()


class quantized_dtype(_Named):
    """A dtype of quantized tensors; no tensor of Flambeau has it, and no torch.dtype is one."""

    __slots__ = ("itemsize", "is_signed")
    is_floating_point = is_complex = False

    def __init__(self, name, itemsize, is_signed):
        super().__init__(name)
        self.itemsize, self.is_signed = itemsize, is_signed


qint8, qint32 = quantized_dtype("qint8", 1, True), quantized_dtype("qint32", 4, True)
quint8, quint4x2 = quantized_dtype("quint8", 1, False), quantized_dtype("quint4x2", 1, False)
per_tensor_affine, per_tensor_symmetric = qscheme("per_tensor_affine"), qscheme("per_tensor_symmetric")
per_channel_affine = qscheme("per_channel_affine")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")
