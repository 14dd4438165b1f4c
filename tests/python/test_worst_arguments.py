"""Arguments whose own code runs while they are read, and does its worst: it clears the list that holds them, gives
the tensor other memory. Whatever comes back, nothing freed is read (AddressSanitizer's runs of these tests show it)."""
import flambeau as torch
import pytest


class Index:
    def __init__(self, value, worst):
        self.value, self.worst = value, worst

    def __index__(self):
        self.worst()
        return self.value



def attempt(call):
    try:
        call()
    except (RuntimeError, TypeError, IndexError, ValueError):
        pass


@pytest.mark.parametrize("call", [torch.cat, torch.stack])
def test_a_list_of_tensors_that_is_cleared(call):
    tensors = [torch.ones(1000), torch.ones(1000)]
    assert call(tensors, Index(0, tensors.clear)).sum().item() == 2000


def test_index_put_with_a_list_that_is_cleared():
    x, indices = torch.zeros(1000), [torch.arange(1000)]
    x.index_put_(indices, torch.ones(1000), accumulate=False)
    attempt(lambda: x.index_put_(indices, torch.ones(1000), Index(1, indices.clear)))
    assert x.sum().item() == 1000


@pytest.mark.parametrize("call", [torch.zeros, torch.ones(4, 6).view, torch.ones(4, 6).expand])
def test_a_list_of_sizes_that_is_cleared(call):
    sizes = []
    sizes += [Index(4, sizes.clear), Index(6, sizes.clear), 1]
    attempt(lambda: call(sizes))


def test_out_in_a_list_that_is_cleared():
    out = [torch.empty(3), torch.empty(3, dtype=torch.int64)]
    x = torch.rand(3, 100)
    values, places = torch.max(x, Index(1, out.clear), out=tuple(out))
    assert values.tolist() == x.max(1)[0].tolist()
    attempt(lambda: torch.max(x, Index(1, out.clear), out=out))


@pytest.mark.parametrize("key", [lambda i: i, lambda i: (i,), lambda i: slice(i, None), lambda i: (slice(i, None), None)])
def test_a_subscript_that_gives_the_tensor_other_memory(key):
    x = torch.ones(100000)

    def shrink():
        x.data = torch.ones(1)

    attempt(lambda: x[key(Index(99999, shrink))])
    x = torch.ones(100000)

    def write():
        x[key(Index(99999, shrink))] = 5.0

    attempt(write)
    assert x.sum().item() == 1


def test_a_tensor_subscript_whose_list_changes():
    x = torch.arange(10.0)
    key = []

    class Worst:
        @property
        def __array_interface__(self):
            key.clear()
            raise AttributeError

    key += [Worst(), 1, 2]
    attempt(lambda: x[key])


def test_data_that_changes_while_it_is_read():
    rows = []

    class Row(list):
        def __len__(self):
            rows.clear()
            return 2

    class Sequence:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            rows.clear()
            if i > 1:
                raise IndexError
            return float(i)

    for worst in (Row, Sequence):
        rows[:] = [worst(), [1.0, 2.0], [3.0, 4.0]]
        attempt(lambda: torch.tensor(rows))
        rows[:] = [[1.0, 2.0], worst(), [3.0, 4.0]]
        attempt(lambda: torch.tensor(rows))


def test_lists_that_hold_themselves():
    rows = [1.0]
    rows.append(rows)
    with pytest.raises(TypeError, match="self-referential lists are incompatible"):
        torch.tensor(rows)
    rows = []
    rows.append(rows)
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        torch.tensor(rows)
    pair = [1.0]
    pair.append([pair])
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        torch.tensor(pair)


def test_two_ellipses():
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert x[..., ...].shape == (2, 3, 4) and x[..., 0, ...].shape == (2, 3)
    assert x[..., None, ...].shape == (2, 3, 4, 1)
    for key in ((..., ..., None), (..., ..., 0), (..., ..., True), (..., ..., [0])):
        with pytest.raises(IndexError):
            x[key]
        with pytest.raises(IndexError):
            x[key] = 1.0
    assert x.sum().item() == 276


def test_results_made_by_hand():
    kind = type(torch.ones(2, 2).max(0))
    with pytest.raises(TypeError, match=r"torch.return_types.max\(\) takes a 2-sequence \(3-sequence given\)"):
        kind((1, 2, 3))
    assert repr(kind((1, 2))) == "torch.return_types.max(\nvalues=1,\nindices=2)"
