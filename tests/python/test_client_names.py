"""Names that libraries built on PyTorch ask for when they are imported."""

import pytest

import flambeau as torch


def test_file_as_storage(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(16)))
    private = torch.UntypedStorage.from_file(str(path), nbytes=8)
    private[0] = 77
    assert private.tolist() == [77, 1, 2, 3, 4, 5, 6, 7]
    shared = torch.UntypedStorage.from_file(str(path), shared=True, nbytes=20)
    assert shared.tolist() == [*range(16), 0, 0, 0, 0]
    shared[1] = 78
    del shared
    assert path.read_bytes() == bytes([0, 78, *range(2, 16), 0, 0, 0, 0])
    assert torch.UntypedStorage.from_file(str(path)).nbytes() == 0
    with pytest.raises(RuntimeError, match="size <20> is smaller than .* <99>"):
        torch.UntypedStorage.from_file(str(path), nbytes=99)
    with pytest.raises(RuntimeError, match="unable to open file"):
        torch.UntypedStorage.from_file(str(tmp_path / "none"), nbytes=1)


def test_absent_dtypes_and_layouts_are_refused():
    x = torch.zeros(2)
    assert x.layout != torch.sparse_coo and x.dtype != torch.complex32
    for call in (
        lambda: torch.zeros(2, layout=torch.sparse_csr),
        lambda: torch.zeros(2, dtype=torch.complex32),
        lambda: torch.tensor([1], dtype=torch.float4_e2m1fn_x2),
        lambda: x.to(torch.complex32),
    ):
        with pytest.raises(TypeError):
            call()
    assert torch.finfo(torch.float8_e4m3fn).max == 448
    assert torch.finfo(torch.float8_e5m2).max == 57344
    assert torch.iinfo(torch.uint64).max == 2**64 - 1


def test_join_of_one_process():
    from flambeau.distributed.algorithms.join import Join, JoinHook

    ends = []

    class Hook(JoinHook):
        def post_hook(self, is_last_joiner):
            ends.append(is_last_joiner)

    class Member:
        def join_hook(self, **kwargs):
            return Hook()

    with Join([Member()]):
        assert Join.notify_join_context(None) is None and ends == []
    assert ends == [True]
    with pytest.raises(ValueError, match="requires at least one joinable"):
        Join([])


def test_placements():
    from flambeau.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

    pieces = [Shard.local_shard_size_and_offset(10, 4, rank) for rank in range(4)]
    assert pieces == [(3, 0), (3, 3), (3, 6), (1, 9)]
    assert Shard(1) == Shard(1) and Shard(1).is_shard(1) and not Replicate().is_shard()
    assert not isinstance(torch.zeros(1), DTensor)
    with pytest.raises(NotImplementedError, match="one process"):
        distribute_tensor(torch.zeros(1))


def test_wrap():
    assert torch.fx.wrap(len) is len and torch.fx.wrap("len") == "len"
    with pytest.raises(RuntimeError, match="Unsupported type for global function"):
        torch.fx.wrap(3)
    assert "USE_MKL=OFF" in torch.__config__.show()
