"""What distributions share: broadcasting of parameters, probabilities and log-odds, attributes that
are computed when first asked (source: torch.distributions.utils)."""

from functools import update_wrapper

import flambeau as fl
from flambeau import _C

euler_constant = 0.57721566490153286060  # Euler-Mascheroni
Number = (int, float)

__all__ = [
    "broadcast_all",
    "logits_to_probs",
    "clamp_probs",
    "probs_to_logits",
    "lazy_property",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]


def broadcast_all(*values):
    """Tensors of one size made of tensors and numbers; numbers take the first tensor's dtype, or
    the default one. ValueError for anything else."""
    tensors = [v for v in values if isinstance(v, _C.Tensor)]
    if len(tensors) < len(values):
        if not all(isinstance(v, (_C.Tensor, *Number)) for v in values):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects "
                "implementing __torch_function__."
            )
        dtype = tensors[0].dtype if tensors else fl.get_default_dtype()
        device = tensors[0].device if tensors else None
        values = [
            v if isinstance(v, _C.Tensor) else fl.tensor(v, dtype=dtype, device=device)
            for v in values
        ]
    return fl.broadcast_tensors(*values)




def _standard_normal(shape, dtype, device):
    return fl.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value, dim):
    """value summed over its last `dim` dims."""
    if dim == 0:
        return value
    return value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def logits_to_probs(logits, is_binary=False):
    """Probabilities of log-odds (is_binary), or of unnormalised logarithms along the last dim."""
    return fl.sigmoid(logits) if is_binary else fl.softmax(logits, dim=-1)


def clamp_probs(probs):
    """probs kept eps away from 0 and 1."""
    eps = fl.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Log-odds (is_binary), or logarithms, of clamped probabilities."""
    clamped = clamp_probs(probs)
    if is_binary:
        return fl.log(clamped) - fl.log1p(-clamped)
    return fl.log(clamped)


class lazy_property:
    """A method that becomes an attribute of the instance when it is first read. What it computes is
    recorded even under no_grad, because it may be used again outside."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with fl.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def _tril_mask(n, diag, device):
    columns = fl.arange(n, device=device)
    return columns < columns.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat, diag=0):
    """[..., D, D] -> [..., K]: the elements up to diagonal `diag`, row after row. ValueError where
    that is no diagonal of mat."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., _tril_mask(n, diag, mat.device)]


def vec_to_tril_matrix(vec, diag=0):
    """[..., K] -> [..., D, D]: the inverse of tril_matrix_to_vec, zeros elsewhere. ValueError where
    no D has K such elements."""
    count, odd = vec.shape[-1], 1 + 2 * diag
    n = (-odd + (odd**2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(n) - n > fl.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {count} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    n = round(n)
    mat = vec.new_zeros(vec.shape[:-1] + (n, n))
    mat[..., _tril_mask(n, diag, vec.device)] = vec
    return mat
