"""Numbers are drawn in the order of memory, whatever the order of the dims: PyTorch's values."""

import pytest

import flambeau as T

CASES = [
    ("T.normal(0.0, 1.0, (4, 2), out=T.empty(2, 4).t())",
     [1.541, -1.08452, -0.29343, -1.3986, -2.17879, 0.40335, 0.56843, 0.83803]),
    ("T.normal(T.arange(8.0).view(4, 2), 2.0, out=T.empty(2, 4).t())",
     [3.08199, -1.16904, 1.41314, 0.20281, -0.35758, 5.80669, 7.13686, 8.67605]),
    ("T.normal(0.5, T.arange(8.0).view(4, 2), out=T.empty(2, 4).t())",
     [0.5, -0.58452, -0.08686, -3.69579, -8.21516, 2.51673, 3.91059, 6.36618]),
    ("T.normal(T.ones(4, 2), T.arange(8.0).view(4, 2), out=T.empty(2, 4).t())",
     [1.0, -0.08452, 0.41314, -3.19579, -7.71516, 3.01673, 4.41059, 6.86618]),
    ("T.normal(T.ones(20, 1), T.ones(20, 1), out=T.empty(1, 20).t())[:4]",
     [-0.12584, -0.15236, 0.74942, 0.56612]),
    ("T.bernoulli(T.full((4, 2), 0.5), out=T.empty(2, 4).t())",
     [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
    ("T.multinomial(T.ones(2, 5), 3, out=T.empty(3, 2, dtype=T.int64).t())",
     [2, 4, 1, 1, 4, 2]),
    ("T.zeros(3, 2).t().uniform_()",
     [0.49626, 0.08848, 0.30742, 0.76822, 0.13203, 0.63408]),
    ("T.zeros(6, 3).t().normal_()[:, :2]",
     [1.541, 0.56843, -0.29343, -1.08452, -2.17879, -1.3986]),
    ("T.zeros(6, 4)[:, :3].normal_()[:2]",
     [1.541, -0.29343, -2.17879, 0.56843, -1.08452, -1.3986]),
    ("T.rand_like(T.zeros(2, 3, 2).permute(1, 2, 0))",
     [0.49626, 0.49009, 0.76822, 0.89644, 0.08848, 0.45563, 0.13203, 0.63231,
      0.30742, 0.34889, 0.63408, 0.40172]),
    ("T.randn_like(T.zeros(3, 6).t())[:2]",
     [1.541, 0.40335, -0.85667, -0.29343, 0.83803, 1.1006]),
    ("T.randint_like(T.zeros(3, 2).t(), 100)",
     [44.0, 33.0, 63.0, 39.0, 60.0, 79.0]),
    ("T.zeros(3, 2, dtype=T.int64).t().random_(9)",
     [8, 2, 7, 0, 6, 6]),
    ("T.zeros(3, 2).t().bernoulli_(0.5)",
     [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    ("T.zeros(3, 2).t().bernoulli_(T.tensor([0.2, 0.5, 0.9]))",
     [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]),
    ("T.dropout(T.ones(4, 2).t(), 0.5, True)",
     [0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0]),
    ("T.nn.functional.dropout(T.ones(1, 2, 2, 2).contiguous(memory_format=T.channels_last))",
     [0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0]),
    ("T.alpha_dropout(T.ones(3, 2).t(), 0.5, True)",
     [-0.77919, 1.6656, -0.77919, -0.77919, -0.77919, -0.77919]),
    ("T.zeros(3, 2).t().exponential_()",
     [3.50833, 0.61504, 1.03571, 1.23038, 2.53512, 1.56613]),
    ("T.zeros(3, 2).t().cauchy_()",
     [10.59773, -0.1283, 0.48999, 0.76477, 3.93307, 1.29884]),
    ("T.zeros(3, 2).t().log_normal_()",
     [59.26342, 0.03482, 0.31066, 1.51156, 8.47281, 0.16576]),
    ("T.zeros(3, 2).t().geometric_(0.3)",
     [1.0, 3.0, 2.0, 1.0, 1.0, 1.0]),
    ("T.nn.init.xavier_uniform_(T.zeros(3, 2).t())",
     [-0.0082, -0.9016, -0.42192, 0.58764, -0.80618, 0.29375]),
    ("T.nn.functional.rrelu(T.tensor([[-1.0, 2.0], [3.0, -4.0], [-5.0, 6.0]]).t(), training=True)",
     [-0.32709, 3.0, -1.36231, 2.0, -0.88282, 6.0]),
    ("T.rand(2, 3, out=T.empty(3, 2).t())",
     [0.49626, 0.08848, 0.30742, 0.76822, 0.13203, 0.63408]),
    ("T.randn(2, 3, out=T.empty(4, 6)[::2, ::2])",
     [1.541, -0.29343, -2.17879, 0.56843, -1.08452, -1.3986]),
    ("T.randint(0, 10, (2, 3), out=T.empty(3, 2).long().t())",
     [4, 3, 3, 9, 0, 9]),
    ("T.randperm(4, out=T.empty(8).long()[::2])",
     [0, 1, 3, 2]),
    ("T.normal(0.0, 1.0, (2, 3), out=T.empty(2, 3))",
     [1.541, -0.29343, -2.17879, 0.56843, -1.08452, -1.3986]),
    ("(T.dropout(T.ones(3), 1.0, True), T.rand(2))[1]",
     [0.49626, 0.76822]),
]


@pytest.mark.parametrize("expression, expected", CASES, ids=[case[0] for case in CASES])
def test_values(expression, expected):
    T.manual_seed(0)
    drawn = eval(expression)
    assert drawn.flatten().tolist() == pytest.approx(expected, rel=1e-4, abs=2e-5)


def test_a_view_as_another_dtype_has_no_history():
    x = T.ones(2, requires_grad=True) * 1
    v = x.view(T.int32)
    assert not v.requires_grad and v.grad_fn is None
    v.add_(1)
    assert x.requires_grad and not v.requires_grad
    assert not x.view(T.float16).requires_grad
