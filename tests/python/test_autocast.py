"""Mixed precision: what dtype each operator computes in, nesting, kept casts, GradScaler. Literal
numbers are PyTorch 2.13's on a CPU."""

import itertools
import pickle
import threading
import warnings

import pytest

import flambeau as torch

F = torch.nn.functional


@pytest.fixture
def values():
    torch.manual_seed(0)
    a, b, a3 = torch.randn(4, 4), torch.randn(4, 4), torch.randn(2, 4, 4)
    return {
        "a": a, "b": b, "a3": a3, "h": a.bfloat16(), "d": a.double(), "v": torch.randn(4),
        "x": torch.randn(1, 2, 8, 8), "w": torch.randn(3, 2, 3, 3), "p": torch.rand(4, 4),
        "target": torch.tensor([0, 1, 2, 3]), "torch": torch, "F": F,
    }  # fmt: skip


LOWER = """a @ b; torch.mm(a, b); torch.bmm(a3, a3); a @ v; torch.mm(h, a); torch.addmm(a, a, b)
torch.baddbmm(a3, a3, a3); torch.addbmm(a, a3, a3); F.linear(a, b, v); F.conv2d(x, w)
F.prelu(a, v); torch.einsum('ij,jk->ik', a, b); torch.nn.Linear(4, 4)(a)
F.relu(h); F.softmax(h, -1); F.scaled_dot_product_attention(a3, a3, a3); torch.exp(h); h.sum(); torch.cat([h, h])"""
SINGLE = """a + h; h.prod(); h.prod(0); torch.cat([a, h]); torch.stack([a, h]); F.mse_loss(h, a)
F.l1_loss(h, h); F.smooth_l1_loss(h, h); F.huber_loss(h, h); F.cross_entropy(h, target)
F.nll_loss(F.log_softmax(h, -1), target); F.binary_cross_entropy_with_logits(h, p)
F.binary_cross_entropy(p.bfloat16(), p); F.kl_div(h, p); F.soft_margin_loss(h, h.sign())
torch.mv(a, v); torch.dot(v, v); torch.addmv(v, a, v); torch.mm(a, b, out=torch.empty(4, 4))
F.cosine_embedding_loss(h, h, v.sign()); F.triplet_margin_loss(h, h + 1, h - 1)
F.multi_margin_loss(h, target); F.poisson_nll_loss(h, h); torch.cdist(h, h); torch.trace(h)
torch.tensordot(a, b); F.pad(h.view(1, 4, 4), (1, 1), mode='reflect')
F.pad(h.view(1, 1, 4, 4), (1, 1, 1, 1), mode='replicate')
a.mm(b).float().add_(a); F.margin_ranking_loss(h, h, h.sign())"""


def each(text):
    return [line.strip() for part in text.splitlines() for line in part.split(";")]


@pytest.mark.parametrize("code", each(LOWER))
def test_lower(values, code):
    with torch.autocast("cpu"):
        assert eval(code, values).dtype is torch.bfloat16


@pytest.mark.parametrize("code", each(SINGLE))
def test_float32(values, code):
    with torch.autocast("cpu"):
        assert eval(code, values).dtype is torch.float32


def test_float64_is_left_alone(values):
    with torch.autocast("cpu"):
        assert eval("torch.mm(d, d)", values).dtype is torch.float64
        assert eval("torch.cat([a, d])", values).dtype is torch.float64
        with pytest.raises(RuntimeError):
            eval("torch.mm(d, a)", values)


def test_nesting(values):
    a = values["a"]
    with torch.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled()
        with torch.autocast("cpu", enabled=False):
            assert (a @ a).dtype is torch.float32
            with torch.autocast("cpu", dtype=torch.float16):
                assert (a @ a).dtype is torch.float16
            assert (a @ a).dtype is torch.float32
        assert (a @ a).dtype is torch.bfloat16
        with pytest.raises(ZeroDivisionError), torch.autocast("cpu", enabled=False):
            1 / 0
        with pytest.raises(RuntimeError):
            torch.mm(a, torch.ones(3))
        assert (a @ a).dtype is torch.bfloat16
    assert (a @ a).dtype is torch.float32 and torch.get_autocast_dtype("cpu") is torch.bfloat16

    @torch.autocast("cpu")
    def decorated():
        return a @ a

    assert decorated().dtype is torch.bfloat16 and decorated().dtype is torch.bfloat16


def test_threads_have_their_own_mode(values):
    found = []
    with torch.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((values["a"] @ values["a"]).dtype))
        thread.start()
        thread.join()
    assert found == [torch.float32]


def test_training():
    torch.manual_seed(0)
    a = torch.randn(4, 4)
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(a), torch.arange(4))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        assert all(p.grad.dtype is torch.float32 for p in model.parameters())
    assert losses == pytest.approx([1.435873, 1.15185, 1.065559, 0.997501, 0.93914], rel=2e-3)


def test_casts_of_parameters_are_kept():
    a, w = torch.randn(4, 4), torch.randn(4, 4, requires_grad=True)
    with torch.autocast("cpu"):
        with torch.no_grad():
            a @ w  # a cast without a history, which is not kept
        first, second = a @ w, a @ w
        node = first.grad_fn.next_functions[1][0]
        assert node is second.grad_fn.next_functions[1][0]
        assert node.name() == "ToCopyBackward0"
        with torch.autocast("cpu", cache_enabled=False):
            assert (a @ w).grad_fn.next_functions[1][0] is not node
        with torch.autocast("cpu", dtype=torch.float16):
            assert (a @ w).dtype is torch.float16
        torch.clear_autocast_cache()
        assert (a @ w).grad_fn.next_functions[1][0] is not node
    (first.sum() + second.sum()).backward()
    assert w.grad.dtype is torch.float32
    for _ in range(3):  # many parameters: the table grows
        many = [torch.randn(2, 2, requires_grad=True) for _ in range(300)]
        with torch.autocast("cpu"):
            assert all(torch.mm(p, p).requires_grad for p in many)


def test_custom_function():
    seen = []

    class Square(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
        def forward(ctx, x):
            seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
            return x @ x

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((g.dtype, torch.is_autocast_enabled("cpu")))
            return g

    with torch.autocast("cpu"):
        y = Square.apply(torch.randn(2, 2).bfloat16().requires_grad_())
    y.sum().backward()
    assert seen == [(torch.float32, False), (torch.float32, False)]


def test_refusals_and_warnings():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        mode = torch.autocast("cuda")
    with mode:
        assert not torch.is_autocast_enabled("cuda")
    with pytest.warns(UserWarning, match="only supports dtypes of torch.bfloat16, torch.float16"):
        mode = torch.autocast("cpu", dtype=torch.float32)
    with mode:
        assert torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype is torch.float32
    with pytest.warns(FutureWarning, match="Please use `torch.amp.autocast"):
        torch.cpu.amp.autocast()
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(5)
    with pytest.raises(RuntimeError):
        torch.autocast("foo")
    with warnings.catch_warnings(), torch.autocast("cpu"):
        warnings.simplefilter("error")
        with torch.autocast("cuda", enabled=False):
            assert torch.is_autocast_enabled("cpu")


def scaled_step(scaler, optimizer, p, value):
    optimizer.zero_grad()
    scaler.scale(p.sum() * value).backward()
    scaler.step(optimizer)
    scaler.update()


def test_grad_scaler():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    scaled_step(scaler, optimizer, p, 1.0)
    assert p.tolist() == [-1.0, -1.0] and scaler.get_scale() == 8.0
    scaled_step(scaler, optimizer, p, float("inf"))
    assert p.tolist() == [-1.0, -1.0] and scaler.get_scale() == 4.0
    scaled_step(scaler, optimizer, p, 1.0)
    scaled_step(scaler, optimizer, p, 1.0)
    assert p.tolist() == [-3.0, -3.0] and scaler.get_scale() == 8.0
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2,
        "_growth_tracker": 0,
    }  # fmt: skip
    fresh = pickle.loads(pickle.dumps(scaler))
    assert fresh.state_dict() == state
    fresh.load_state_dict({**state, "scale": 2.0})
    assert fresh.get_scale() == 2.0


def test_grad_scaler_order():
    p = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        scaler.step(optimizer)
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="has already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since the last update"):
        scaler.step(optimizer)
    with pytest.warns(UserWarning, match="CUDA is not available.  Disabling"):
        off = torch.amp.GradScaler()
    assert not off.is_enabled() and off.get_scale() == 1.0 and off.state_dict() == {}


def test_recurrent_layers():
    """PyTorch's LSTM and plain RNN give halves, its GRU and the cells of both keep float32 states."""
    x, halves = torch.ones(2, 1, 4), torch.bfloat16
    with torch.autocast("cpu", dtype=halves):
        y, (h, c) = torch.nn.LSTM(4, 4, 2, bidirectional=True)(x)
        assert {y.dtype, h.dtype, c.dtype} == {halves}
        y.sum().backward()
        assert torch.nn.RNN(4, 4)(x)[0].dtype == halves
        assert torch.nn.RNNCell(4, 4)(x[0]).dtype == halves
        assert torch.nn.GRU(4, 4)(x)[0].dtype == torch.nn.GRUCell(4, 4)(x[0]).dtype == torch.float32
        assert torch.nn.LSTMCell(4, 4)(x[0])[1].dtype == torch.float32


def test_gru_steps_in_halves():
    """Each of a step's operators rounds for itself, and the state stays float32."""
    torch.manual_seed(0)
    gru, x = torch.nn.GRU(3, 4), torch.randn(1, 1, 3)
    with torch.autocast("cpu"):
        y, h = gru(x)
    assert y.dtype == h.dtype == torch.float32
    assert y.flatten().tolist() == pytest.approx([-0.1404, 0.3399, -0.2747, 0.2600], abs=6e-5)


@pytest.mark.parametrize("kind, dtype, wanted", [
    ("GRU", "bfloat16", 2.11077880859375), ("GRU", "float16", 2.076507568359375),
    ("RNN", "bfloat16", -0.5947265625), ("RNN", "float16", -3.3225860595703125),
    ("LSTM", "float16", 0.6048755645751953),
])
def test_recurrent_nets_of_halves(kind, dtype, wanted):
    torch.manual_seed(1)
    dtype = getattr(torch, dtype)
    for other, each in itertools.product(("GRU", "RNN", "LSTM"), (torch.bfloat16, torch.float16)):
        net, x = getattr(torch.nn, other)(4, 5).to(each), torch.randn(3, 2, 4).to(each)
        if (other, each) == (kind, dtype):
            assert net(x)[0].float().sum().item() == wanted
