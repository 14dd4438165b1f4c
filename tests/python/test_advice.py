"""Advice: given once, from the program's line, switched off, and silent about programs that are
right."""
import warnings

import flambeau as torch
import pytest
from flambeau import nn
from flambeau.nn import functional as F


@pytest.fixture
def told():
    torch.set_advice(True)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found
    torch.set_advice(True)


def names(told):
    return [str(w.message).splitlines()[-1].split("'")[1] for w in told]


def train(model, optimizer, steps=5, zero=True, loss_of=None):
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        y = model(torch.ones(4, 2))
        (loss_of(y) if loss_of else y.pow(2).mean()).backward()
        optimizer.step()


def test_is_given_once_from_the_line_of_the_program(told):
    model = nn.Linear(2, 3)
    for _ in range(3):
        F.cross_entropy(model(torch.ones(4, 2)).softmax(1), torch.zeros(4, dtype=torch.long))
    assert names(told) == ["softmax_before_loss"]
    assert told[0].filename == __file__ and issubclass(told[0].category, torch.AdviceWarning)
    torch.set_advice(True)
    F.cross_entropy(model(torch.ones(4, 2)).softmax(1), torch.zeros(4, dtype=torch.long))
    assert len(told) == 2


def test_is_switched_off_by_name_and_whole(told):
    x, y = nn.Linear(2, 3)(torch.ones(4, 2)), torch.zeros(4, dtype=torch.long)
    torch.set_advice(False, "softmax_before_loss")
    F.cross_entropy(x.softmax(1), y)
    torch.set_advice(False)
    F.nll_loss(x.softmax(1), y)
    assert told == []
    with pytest.raises(ValueError, match="there is no advice 'softmax'"):
        torch.set_advice(False, "softmax")


def test_as_an_error_stops_the_call():
    torch.set_advice(True)
    x, y = nn.Linear(2, 3)(torch.ones(4, 2)), torch.zeros(4, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(torch.AdviceWarning, match="log_softmax"):
            F.cross_entropy(x.softmax(1), y)
    torch.set_advice(True)


def test_sees_through_views(told):
    x = torch.sigmoid(nn.Linear(2, 1)(torch.ones(4, 2))).squeeze(1).view(2, 2)
    F.binary_cross_entropy_with_logits(x, torch.ones(2, 2))
    assert names(told) == ["sigmoid_before_loss"]


def test_targets_that_are_nan_are_not_told_to_be_labels(told):
    x = nn.Linear(2, 2)(torch.ones(4, 2))
    F.binary_cross_entropy_with_logits(x, torch.full((4, 2), float("nan")))
    assert "targets_of_binary_loss" not in names(told)


def test_nll_of_scores_and_softmax_of_attention(told):
    scores = nn.Linear(2, 3)(torch.ones(4, 2))
    F.nll_loss(scores, torch.zeros(4, dtype=torch.long))
    assert names(told) == ["nll_of_scores"]
    torch.softmax(nn.Linear(2, 1)(torch.ones(4, 2)), 0)  # pooling over a set
    torch.softmax(scores @ scores.T, 0)
    F.nll_loss(scores.log_softmax(1), torch.zeros(4, dtype=torch.long))
    assert len(told) == 1


def test_difference_of_column_and_row(told):
    prediction, target = nn.Linear(2, 1)(torch.ones(4, 2)), torch.ones(4)
    prediction - target.unsqueeze(1)
    x = torch.rand(4, requires_grad=True)
    x[:, None] - x  # all pairs
    x[:, None] - torch.ones(4)
    with torch.no_grad():
        prediction - target
    assert told == []
    target - prediction
    assert names(told) == ["difference_broadcasts"]


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
def test_gradients_that_grow(told, make):
    model = nn.Linear(2, 1)
    train(model, make(model.parameters(), lr=0.01), zero=False)
    assert names(told) == ["zero_grad_missing"]


def test_gradients_set_to_zero_in_any_way(told):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train(model, optimizer)
    for zero in (
        lambda: optimizer.zero_grad(set_to_none=False),
        lambda: model.zero_grad(),
        lambda: [p.grad.zero_() for p in model.parameters()],
        lambda: [setattr(p, "grad", None) for p in model.parameters()],
    ):
        for _ in range(4):
            model(torch.ones(4, 2)).pow(2).mean().backward()
            optimizer.step()
            zero()
    for _ in range(4):  # accumulation over two batches
        optimizer.zero_grad()
        for _ in range(2):
            model(torch.ones(4, 2)).pow(2).mean().backward()
        optimizer.step()
    assert told == []


def test_step_without_gradients(told):
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.step()  # no backward has run: a scheduler's warm-up
    assert told == []
    train(model, optimizer)
    assert names(told) == ["optimizer_of_other_parameters"]


def test_two_optimizers_in_turn(told):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    first, second = (torch.optim.SGD(m.parameters(), lr=0.01) for m in (a, b))
    for _ in range(4):
        for model, optimizer in ((a, first), (b, second)):
            optimizer.zero_grad()
            model(torch.ones(4, 2)).pow(2).mean().backward()
            optimizer.step()
    assert told == []


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(8)])
def test_training_in_eval_mode(told, layer):
    model = nn.Sequential(nn.Linear(2, 8), layer, nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train(model, optimizer)
    model.eval()
    model(torch.ones(4, 2))  # an evaluation that is recorded
    model.train()
    train(model, optimizer)
    assert told == []
    model.eval()
    train(model, optimizer)
    assert names(told) == ["training_in_eval_mode"]


def test_frozen_statistics_are_no_mistake(told):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model[1].eval().requires_grad_(False)
    train(model, optimizer)
    assert told == []


def test_loss_that_grows_and_loss_that_is_nan_at_once(told):
    model = nn.Linear(2, 1)
    train(model, torch.optim.SGD(model.parameters(), lr=1e3), steps=40)
    assert names(told)[0] == "loss_diverges" and "learning rate 1000" in str(told[0].message)
    torch.set_advice(True)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), 1, loss_of=lambda y: (y * 0 - 1).log().sum())
    assert names(told)[1] == "loss_is_nan"


def test_layers_in_lists_and_dicts(told):
    class Net(nn.Module):
        def __init__(self, layers):
            super().__init__()
            self.head = nn.Linear(2, 2)
            self.names, self.kept = ["a", "b"], layers

    list(Net(nn.ModuleList([nn.Linear(2, 2)])).parameters())
    list(Net([nn.ReLU(), nn.Tanh()]).parameters())
    list(Net([nn.Linear(2, 2).requires_grad_(False)]).parameters())
    net = Net([])
    net.kept = [net.head]  # registered already
    list(net.parameters())
    assert told == []
    whole = nn.Sequential(Net({"a": nn.Linear(2, 2)}))
    list(whole.parameters())
    assert names(told) == ["layers_in_a_list"] and "Net.kept" in str(told[0].message)


def test_nothing_is_said_by_c_programs_or_without_a_graph(told):
    with torch.no_grad():
        x = nn.Linear(2, 3)(torch.ones(4, 2))
        F.cross_entropy(x.softmax(1), torch.zeros(4, dtype=torch.long))
        F.nll_loss(x.softmax(0), torch.zeros(4, dtype=torch.long))
    assert told == []


def test_evaluation_of_another_model_before_a_step_is_no_mistake(told):
    teacher = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).eval()
    model = nn.Linear(2, 1)
    teacher(torch.ones(4, 2)).sum().backward()  # a look at its gradients
    train(model, torch.optim.SGD(model.parameters(), lr=0.01))
    assert told == []


def test_sums_that_are_trained_and_numbers_are_no_kept_losses(told):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        total = torch.zeros(())
        for _ in range(40):
            loss = model(torch.ones(4, 2)).square().mean()
            total += loss
        total.backward()
        optimizer.step()
    seen = torch.zeros(())
    for _ in range(40):
        loss = model(torch.ones(4, 2)).square().mean()
        loss.backward()
        seen += loss.detach()
    assert told == []


def test_samples_in_training_mode_are_no_evaluation(told):
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 3))
    train(model, torch.optim.SGD(model.parameters(), lr=0.01))
    x, y = torch.ones(4, 2), torch.zeros(4, dtype=torch.long)
    with torch.no_grad():
        model(x)
    with torch.no_grad():
        means = torch.stack([model(x).softmax(1) for _ in range(5)]).mean(0)
        (means.argmax(1) == y).sum()
    with torch.no_grad():
        for _ in range(5):
            votes = model(x).argmax(1) == y
    model.eval()
    with torch.no_grad():
        (model(x).argmax(1) == y).sum()
    assert told == [] and votes.shape == (4,)


def test_attention_along_dim_0_and_what_is_no_network(told):
    scores = nn.Linear(4, 2)(torch.ones(5, 4))
    with torch.no_grad():
        weights = scores * 1
        torch.softmax(weights, dim=0), torch.softmax(scores[0], 0), weights.softmax(1)
    assert told == []


def test_divergence_of_logarithms_and_short_targets(told):
    p = torch.tensor([[0.25, 0.75]])
    for log_p, q, logs in (p.log(), p, False), (p.log(), p.log(), True), (-p, p, False):
        F.kl_div(log_p, q, reduction="sum", log_target=logs)
    one = torch.tensor([1])
    scores = torch.ones(2, 1, 3).log_softmax(2)
    F.ctc_loss(scores, torch.ones(1, 2, dtype=torch.long), one * 2, one * 2)
    F.ctc_loss(scores, torch.ones(1, 3, dtype=torch.long), one * 2, one * 3, zero_infinity=True)
    assert told == []


def test_a_last_layer_may_begin_at_zero(told):
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    nn.init.zeros_(model[2].weight)
    train(model, torch.optim.SGD(model.parameters(), lr=0.1), loss_of=lambda y: (y - 1).square().mean())
    one = nn.Linear(2, 1)
    nn.init.zeros_(one.weight)
    train(one, torch.optim.SGD(one.parameters(), lr=0.1), loss_of=lambda y: (y - 1).square().mean())
    assert told == []
