"""Recurrent nets: PyTorch's values for the same seed, packed sequences, gradients, errors."""
import copy
import pickle
import warnings

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck
from flambeau.nn.utils import rnn as sequences

# Class, arguments, options, whether packed; then of PyTorch 2.13: four sums of results over the
# first dim, the loss, the gradients of an input's row and of a row of weight_hh_l0, and the sums of
# the magnitudes of the last three parameters' gradients.
CASES = [
    ('LSTM', (3, 4), {}, False,
     [-0.03416577, -1.081074, 1.227224, -0.144091],
     0.6576067,
     [0.02642807, 0.04903825, 0.003519713],
     [0.008275422, 0.3693348, -0.491861, 0.1073225],
     [6.79277, 10.6688, 10.6688]),
    ('LSTM', (3, 4), {}, True,
     [0.4462118, -1.49611, 1.110811, -0.8345696],
     2.08222,
     [0.02642807, 0.0490383, 0.003519738],
     [0.003189019, 0.04920824, -0.06448753, 0.01913434],
     [2.03118, 5.43004, 5.43004]),
    ('LSTM', (3, 4, 2), {'bidirectional': True, 'batch_first': True}, False,
     [-0.2925653, 0.2706991, -0.2170081, -0.6422423],
     0.5266218,
     [0.07789661, 0.06126814, 0.03131823],
     [-0.003928055, 0.276052, -0.3439733, 0.09459081],
     [1.03343, 5.6452, 5.6452]),
    ('LSTM', (3, 4, 2), {'bidirectional': True, 'batch_first': True}, True,
     [-0.904505, 0.7539239, -0.6278824, -1.463266],
     1.145109,
     [0.07789664, 0.06126817, 0.03131824],
     [-0.006231962, 0.03692809, -0.005554122, 0.006232361],
     [0.44936, 3.09547, 3.09547]),
    ('LSTM', (3, 4), {'proj_size': 2, 'bias': False}, False,
     [0.01509757, 0.01883128, -0.07623427, 0.08749951],
     0.1343437,
     [-0.007389621, -0.009768657, -0.01583175],
     [-0.0003617266, -0.0001328654],
     [2.55746, 0.0214819, 0.355691]),
    ('LSTM', (3, 4), {'proj_size': 2, 'bias': False}, True,
     [-0.0731225, 0.1196328],
     0.06574318,
     [-0.007389621, -0.009768657, -0.01583175],
     [-4.499156e-05, -1.32464e-05],
     [0.945458, 0.0140465, 0.183015]),
    ('LSTM', (3, 4, 2), {'dropout': 0.5}, False,
     [-0.2379403, 0.0499939, 0.1675985, -0.5362723],
     -0.3174872,
     [-0.06067469, -0.02227761, -0.03011171],
     [-0.0921583, 0.1100822, -0.1044012, 0.1330997],
     [0.469747, 1.97309, 1.97309]),
    ('LSTM', (3, 4, 2), {'dropout': 0.5}, True,
     [-0.4170805, 0.1768292, 0.3115308, -1.144642],
     0.07354161,
     [-0.06171862, -0.02360761, -0.0300784],
     [-0.03067362, 0.03235914, -0.054947, 0.04146454],
     [0.22229, 1.00057, 1.00057]),
    ('GRU', (3, 4), {}, False,
     [0.1332665, 0.1244417, -0.9150407, -0.178599],
     3.156286,
     [-0.07015058, -0.02220128, -0.1985972],
     [-0.002774004, -0.003382931, -0.01166625, -0.009220522],
     [1.6905, 4.79147, 3.2985]),
    ('GRU', (3, 4), {}, True,
     [-0.3324175, -0.1256952, -0.9597844, -1.15329],
     1.75466,
     [-0.07015058, -0.02220128, -0.1985972],
     [-0.0181757, -0.01193793, 0.01709799, -0.002246892],
     [1.00529, 3.16776, 2.19896]),
    ('GRU', (3, 4, 2), {'bidirectional': True, 'dropout': 0.25}, False,
     [0.5259786, 0.9185294, 1.28787, -0.4355275],
     5.761276,
     [0.1835006, -0.05473452, 0.04862613],
     [0.01087272, 0.01060592, 0.03972489, -0.009143589],
     [3.92572, 12.484, 7.95525]),
    ('GRU', (3, 4, 2), {'bidirectional': True, 'dropout': 0.25}, True,
     [1.0537, 1.600503, 1.991449, -0.4615318],
     3.607173,
     [0.1424313, 0.08675606, 0.08255763],
     [-0.002027177, 0.001658087, 0.02460167, -0.0001224288],
     [2.21988, 8.53297, 5.53589]),
    ('RNN', (3, 4, 2), {'nonlinearity': 'relu'}, False,
     [1.131816, 0.0943552, 3.108459, 0.1114767],
     11.77095,
     [0.6261336, 0.1348453, 0.08181199],
     [0.01525124, 4.357301, 0.8649663, 3.551449],
     [31.9032, 25.4222, 25.4222]),
    ('RNN', (3, 4, 2), {'nonlinearity': 'relu'}, True,
     [2.36912, 0.2235581, 5.592728, 0.9957424],
     11.87821,
     [0.6261336, 0.1348453, 0.08181199],
     [0.0, 4.367499, 0.0, 4.106153],
     [23.9848, 24.8605, 24.8605]),
    ('RNN', (3, 4), {'bidirectional': True}, False,
     [-1.545686, -0.9441724, 0.3643003, -1.185385],
     12.78123,
     [-2.191223, 0.2485301, -0.3459227],
     [0.1240342, -0.5853975, -0.3377638, -0.2833431],
     [8.91187, 10.2649, 10.2649]),
    ('RNN', (3, 4), {'bidirectional': True}, True,
     [-3.162558, -1.770692, -0.08288002, -0.9212652],
     8.152199,
     [-2.191223, 0.2485301, -0.3459227],
     [0.07784274, 0.06857516, 0.1567614, -0.09854688],
     [7.58655, 7.72187, 7.72187]),
]

F64 = torch.float64


def close(got, expected, tolerance=2e-5):
    return got == pytest.approx(expected, rel=tolerance, abs=1e-6)


@pytest.mark.parametrize("name, args, options, packed, sums, loss, dx, dw, dp", CASES)
def test_same_seed_same_numbers(name, args, options, packed, sums, loss, dx, dw, dp):
    torch.manual_seed(5)
    net = getattr(nn, name)(*args, **options)
    x = torch.randn(3, 3, 3, requires_grad=True)
    torch.manual_seed(7)
    first = options.get("batch_first", False)
    given = x
    if packed:
        given = sequences.pack_padded_sequence(x, [2, 3, 1], first, enforce_sorted=False)
    y, h = net(given)
    y = y.data if packed else y
    states = h if isinstance(h, tuple) else (h,)
    total = (y * y).sum() + sum((s * s * s).sum() for s in states)
    total.backward()
    assert close(y.sum(0).flatten()[:4].tolist(), sums)
    assert close(total.item(), loss)
    assert close(x.grad[1, 1].tolist(), dx)
    assert close(net.weight_hh_l0.grad[1].tolist(), dw)
    got = [p.grad.double().abs().sum().item() for p in net.parameters()][-3:]
    assert close(got, dp)


def parameters(gates, hidden, size, directions=1, layers=1, projection=0):
    made = []
    state = projection or hidden
    for layer in range(layers):
        for _ in range(directions):
            shapes = [(gates * hidden, size if layer == 0 else state * directions),
                      (gates * hidden, state), (gates * hidden,), (gates * hidden,)]
            shapes += [(projection, hidden)] if projection else []
            made += [torch.randn(*s, dtype=F64).mul(0.5).requires_grad_() for s in shapes]
    return made


@pytest.mark.parametrize("batch_sizes", [None, [3, 2, 2, 1]])
@pytest.mark.parametrize("cell, gates", [("lstm", 4), ("gru", 3), ("rnn_tanh", 1)])
@pytest.mark.parametrize("projection", [0, 1])
def test_derivatives_of_first_and_second_order(cell, gates, projection, batch_sizes):
    if projection and cell != "lstm":
        pytest.skip("only LSTM has projections")
    torch.manual_seed(3)
    hidden, size, batch, directions = 2, 2, 3, 2
    shape = (4, batch, size) if batch_sizes is None else (8, size)
    x = torch.randn(*shape, dtype=F64, requires_grad=True)
    count = directions * 2
    states = [torch.randn(count, batch, s, dtype=F64, requires_grad=True)
              for s in ([projection or hidden, hidden] if cell == "lstm" else [hidden])]
    weights = parameters(gates, hidden, size, directions, 2, projection)
    run = getattr(torch, cell)
    extra = () if batch_sizes is None else (torch.tensor(batch_sizes),)
    last = (False,) if batch_sizes is None else ()

    def net(x, *rest):
        given = rest[: len(states)] if cell == "lstm" else rest[0]
        return run(x, *extra, given, rest[len(states):], True, 2, 0.0, False, True, *last)

    assert gradcheck(net, (x, *states, *weights))
    assert gradgradcheck(net, (x, *states, *weights))


@pytest.mark.parametrize("cell, gates", [("lstm_cell", 4), ("gru_cell", 3), ("rnn_tanh_cell", 1)])
def test_derivatives_of_cells(cell, gates):
    torch.manual_seed(4)
    x, h, c = (torch.randn(2, s, dtype=F64, requires_grad=True) for s in (3, 4, 4))
    weights = parameters(gates, 4, 3)
    run = getattr(torch, cell)

    def step(x, h, c, *weights):
        return run(x, (h, c) if cell == "lstm_cell" else h, *weights)

    given = (x, h, c, *weights)
    if cell != "lstm_cell":
        def step(x, h, *weights):
            return run(x, h, *weights)
        given = (x, h, *weights)
    assert gradcheck(step, given)
    assert gradgradcheck(step, given)


def test_cells_from_zeros_as_pytorch():
    torch.manual_seed(0)
    x = torch.tensor([0.5, -0.5])
    h, c = nn.LSTMCell(2, 3)(x)
    assert close(h.tolist(), [-0.0040158, -0.1041248, -0.029552], 1e-4)
    assert close(c.tolist(), [-0.0054971, -0.2278541, -0.115613], 1e-4)
    assert close(nn.GRUCell(2, 3)(x).tolist(), [-0.1022364, -0.0698633, 0.1301934], 1e-4)
    assert close(nn.RNNCell(2, 3)(x).tolist(), [-0.3531213, -0.6118292, -0.0578816], 1e-4)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_a_net_is_its_cell_step_by_step(name):
    torch.manual_seed(0)
    net, cell = getattr(nn, name)(5, 7), getattr(nn, name + "Cell")(5, 7)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in net.state_dict().items()})
    x = torch.randn(6, 3, 5)
    y, last = net(x)
    state = None
    for t in range(6):
        state = cell(x[t], state)
        h = state[0] if name == "LSTM" else state
        assert close(h.flatten().tolist(), y[t].flatten().tolist())
    if name == "LSTM":
        assert close(state[1].flatten().tolist(), last[1].flatten().tolist())


def test_packed_sequences_do_as_each_alone():
    torch.manual_seed(1)
    net = nn.GRU(3, 4, 2, bidirectional=True)
    parts = [torch.randn(n, 3) for n in (2, 5, 1, 4)]
    y, h = net(sequences.pack_sequence(parts, enforce_sorted=False))
    rows = sequences.unpack_sequence(y)
    for n, part in enumerate(parts):
        alone, state = net(part)
        assert close(rows[n].flatten().tolist(), alone.flatten().tolist())
        assert close(h[:, n].flatten().tolist(), state.flatten().tolist())


def test_a_row_has_the_bits_it_has_alone_and_threads_change_nothing():
    torch.manual_seed(2)
    net = nn.LSTM(40, 64, 2, bidirectional=True)
    x = torch.randn(20, 33, 40)
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        net.zero_grad()
        y, _ = net(x)
        y.square().sum().backward()
        results.append((y.detach(), [p.grad for p in net.parameters()]))
    torch.set_num_threads(before)
    for y, grads in results[1:]:
        assert torch.equal(y, results[0][0])
        assert all(torch.equal(a, b) for a, b in zip(grads, results[0][1]))
    alone, _ = net(x[:, 5:6])
    assert torch.equal(alone, results[0][0][:, 5:6])


def test_halves_are_close_to_float32():
    torch.manual_seed(2)
    net = nn.LSTM(8, 16, 2)
    x = torch.randn(5, 4, 8)
    exact, _ = net(x)
    y, _ = net.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert net.weight_ih_l0.grad.dtype == torch.bfloat16
    assert (y.float() - exact).abs().max().item() < 0.02


def test_dropout_acts_between_layers_while_training():
    torch.manual_seed(0)
    net = nn.LSTM(3, 4, 2, dropout=1.0)
    x, silent = torch.randn(2, 5, 3), nn.LSTM(3, 4, 2)
    silent.load_state_dict(net.state_dict())
    assert torch.equal(net.eval()(x)[0], silent(x)[0])
    dropped = net.train()(x)[0]
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        nn.GRU(3, 4, dropout=0.5)


def test_names_repr_pickle_and_copies():
    torch.manual_seed(0)
    net = nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2)
    assert list(net.state_dict())[:6] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0",
                                          "bias_hh_l0", "weight_hr_l0", "weight_ih_l0_reverse"]
    assert repr(net) == "LSTM(3, 5, proj_size=2, num_layers=2, bidirectional=True)"
    assert close(net.weight_hr_l1_reverse.flatten()[-1].item(), 0.19382350146770477)
    assert repr(nn.RNNCell(3, 4, nonlinearity="relu", bias=False)) == (
        "RNNCell(3, 4, bias=False, nonlinearity=relu)")
    assert [len(w) for w in net.all_weights] == [5] * 4
    net.flatten_parameters()
    x = torch.randn(2, 3, 3)
    twin = copy.deepcopy(net)
    for other in (twin, pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x)[0], net(x)[0])
    twin.weight_hh_l0 = nn.Parameter(torch.zeros_like(twin.weight_hh_l0))
    assert not torch.equal(twin(x)[0], net(x)[0])


@pytest.mark.parametrize("call, kind, text", [
    (lambda: nn.LSTM(3, 4)(torch.randn(2, 2, 5)), RuntimeError,
     "input.size(-1) must be equal to input_size. Expected 3, got 5"),
    (lambda: nn.LSTM(3, 4)(torch.randn(2, 2, 2, 3)), ValueError,
     "LSTM: Expected input to be 2D or 3D, got 4D instead"),
    (lambda: nn.RNN(3, 4)(torch.randn(3)), ValueError,
     "RNN: Expected input to be 2D or 3D, got 1D tensor instead"),
    (lambda: nn.GRU(3, 4)(torch.randn(2, 2, 3), torch.zeros(1, 3, 4)), RuntimeError,
     "Expected hidden size (1, 2, 4), got [1, 3, 4]"),
    (lambda: nn.LSTM(3, 4)(torch.randn(2, 2, 3), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 5))),
     RuntimeError, "Expected hidden[1] size (1, 2, 4), got [1, 2, 5]"),
    (lambda: nn.GRU(3, 4)(torch.randn(2, 3), torch.zeros(1, 1, 4)), RuntimeError,
     "For unbatched 2-D input, hx should also be 2-D but got 3-D tensor"),
    (lambda: nn.GRU(3, 4)(torch.randn(0, 2, 3)), RuntimeError,
     "Expected sequence length to be larger than 0 in RNN"),
    (lambda: nn.GRU(3, 4)(torch.randn(2, 2, 3, dtype=F64)), ValueError,
     "RNN input dtype (torch.float64) does not match weight dtype (torch.float32)."),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError,
     "proj_size argument is only supported for LSTM, not RNN or GRU"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller than"),
    (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
    (lambda: nn.LSTM(3, 4.0), TypeError, "hidden_size should be of type int, got: float"),
    (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'."),
    (lambda: nn.LSTMCell(3, 4)(torch.randn(1, 2)), RuntimeError,
     "input has inconsistent input_size: got 2 expected 3"),
    (lambda: nn.GRUCell(3, 4)(torch.randn(1, 3), torch.zeros(2, 4)), RuntimeError,
     "Input batch size 1 doesn't match hidden0 batch size 2"),
    (lambda: nn.GRUCell(3, 4)(torch.randn(1, 3), torch.zeros(1, 5)), RuntimeError,
     "hidden0 has inconsistent hidden_size: got 5, expected 4"),
    (lambda: torch.lstm(torch.randn(2, 1, 3), (torch.zeros(1, 1, 4),) * 2, [], True, 1, 0.0, True,
                        False, False), RuntimeError, "got an incorrect number of RNN parameters"),
    (lambda: sequences.pack_padded_sequence(torch.zeros(4, 3), [4, 2]), RuntimeError,
     "Expected `len(lengths)` to be equal to batch_size, but got 2 (batch_size=3)"),
    (lambda: sequences.pack_padded_sequence(torch.zeros(4, 2), [4, 0]), RuntimeError,
     "Length of all samples has to be greater than 0"),
    (lambda: sequences.pack_padded_sequence(torch.zeros(4, 2), [2, 4]), RuntimeError,
     "`lengths` array must be sorted in decreasing order"),
    (lambda: sequences.pack_padded_sequence(torch.zeros(4, 2), [5, 4]), RuntimeError, "longer"),
    (lambda: sequences.pad_sequence([]), RuntimeError, "received an empty list of sequences"),
    (lambda: sequences.pad_sequence([torch.ones(2, 3), torch.ones(1, 4)]), RuntimeError,
     "The size of tensor a (3) must match the size of tensor b (4)"),
    (lambda: torch.gru(torch.randn(3, 2, dtype=F64), torch.tensor([1, 2]),
                       torch.zeros(1, 1, 2, dtype=F64), parameters(3, 2, 2), True, 1, 0.0, True,
                       False), RuntimeError,
     "batch_sizes must be positive"),
])
def test_errors(call, kind, text):
    with pytest.raises(kind) as error:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    assert text in str(error.value)


def test_packing_and_padding():
    x = torch.arange(12.0).view(4, 3).requires_grad_()
    packed = sequences.pack_padded_sequence(x, [3, 2, 1])
    assert packed.data.tolist() == [0, 1, 2, 3, 4, 6]
    assert packed.batch_sizes.tolist() == [3, 2, 1] and packed.sorted_indices is None
    padded, lengths = sequences.pad_packed_sequence(packed, True, -1.0, total_length=4)
    assert padded.tolist() == [[0, 3, 6, -1], [1, 4, -1, -1], [2, -1, -1, -1]]
    assert lengths.tolist() == [3, 2, 1] and padded.stride() == (1, 3)
    padded.sum().backward()
    assert x.grad.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]]
    packed = sequences.pack_padded_sequence(x.t(), [1, 4, 2], True, enforce_sorted=False)
    assert packed.sorted_indices.tolist() == [1, 2, 0]
    assert packed.unsorted_indices.tolist() == [2, 0, 1]
    assert packed.data.tolist() == [1, 2, 0, 4, 5, 7, 10]
    assert packed.to(F64).data.dtype == F64 and packed.to(torch.float32) is packed
    padded, lengths = sequences.pad_packed_sequence(packed)
    assert padded.tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 0], [0, 10, 0]]
    assert lengths.tolist() == [1, 4, 2]
    with pytest.raises(ValueError, match="Expected total_length to be at least"):
        sequences.pad_packed_sequence(packed, total_length=3)


def test_pad_and_unpad_sequences():
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0])
    assert sequences.pad_sequence([a, b]).tolist() == [[1, 3], [2, 0]]
    padded = sequences.pad_sequence([a, b], True, 9.0, padding_side="left")
    assert padded.tolist() == [[1, 2], [9, 3]]
    parts = sequences.unpad_sequence(sequences.pad_sequence([a, b], True), torch.tensor([2, 1]),
                                     True)
    assert [p.tolist() for p in parts] == [[1, 2], [3]]
    parts = sequences.unpack_sequence(sequences.pack_sequence([b, a], enforce_sorted=False))
    assert [p.tolist() for p in parts] == [[3], [1, 2]]
    assert sequences.invert_permutation(torch.tensor([2, 0, 1])).tolist() == [1, 2, 0]
