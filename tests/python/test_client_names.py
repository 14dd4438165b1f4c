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


def test_operators_by_their_own_names():
    aten = torch.ops.aten
    assert aten.add.Tensor is aten.add.Tensor and aten.add.Tensor is not aten.add.Scalar
    assert str(aten._to_copy.default) == "aten._to_copy.default"
    assert repr(aten.add.Tensor) == "<OpOverload(op='aten.add', overload='Tensor')>"
    assert aten.add.Tensor.name() == "aten::add.Tensor" and aten.mm.default.name() == "aten::mm"
    assert {aten.clone.default: 1}[torch.ops.aten.clone.default] == 1
    assert aten.slice.Tensor(torch.arange(5), 0, 1, 4, 2).tolist() == [1, 3]
    assert aten._to_copy.default(torch.ones(2), dtype=torch.int64).dtype == torch.int64
    assert aten.index.Tensor(torch.arange(6).view(2, 3), [None, torch.tensor([2])]).tolist() == [
        [2], [5]]
    x = torch.ones(1, 1, 3, 3)
    conv = aten.convolution(x, torch.ones(1, 1, 2, 2), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    assert conv.tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]
    assert not hasattr(aten, "there_is_no_such_operator")
    with pytest.raises(NotImplementedError):
        aten._scaled_dot_product_flash_attention(x, x, x)


def test_parts_of_a_repr():
    from flambeau._tensor_str import _add_suffixes, _tensor_str

    assert _tensor_str(torch.tensor([[1, 2], [3, 4]]), 8) == "[[1, 2],\n         [3, 4]]"
    assert _tensor_str(torch.tensor(1.5, dtype=torch.float64), 2) == "1.5000"
    assert _tensor_str(torch.zeros(0), 0) == "[]"
    assert _add_suffixes("f([1]", ["a=2", "b=3"], 2, False) == "f([1], a=2, b=3)"
    assert _add_suffixes("f([1]", ["a=2"], 2, True) == "f([1],\n  a=2)"


def test_calls_to_oneself():
    from flambeau.distributed import rpc

    with pytest.raises(RuntimeError, match="has not been initialized"):
        rpc.rpc_sync("me", max, args=(1, 2))
    rpc.init_rpc("me", rank=0, world_size=1)
    try:
        assert rpc.rpc_sync("me", max, args=(1, 2)) == 2
        assert rpc.rpc_async("me", torch.add, args=(torch.ones(1), 1)).wait().tolist() == [2.0]
        with pytest.raises(ZeroDivisionError):
            rpc.rpc_async("me", divmod, args=(1, 0)).wait()
        assert rpc.remote("me", len, args=([1],)).to_here() == 1
        with pytest.raises(RuntimeError, match="could not find a worker"):
            rpc.rpc_sync("you", max, args=(1, 2))
    finally:
        rpc.shutdown()
    with pytest.raises(RuntimeError, match="one process"):
        rpc.init_rpc("me", rank=0, world_size=2)


def test_policies_of_spreading():
    from flambeau.distributed.fsdp import ShardingStrategy, wrap

    assert ShardingStrategy.FULL_SHARD.value == 1
    layer = torch.nn.Linear(3, 3)
    assert wrap.wrap(layer) is layer
    with wrap.enable_wrap(wrapper_cls=torch.nn.Sequential):
        assert isinstance(wrap.wrap(layer), torch.nn.Sequential)
    policy = wrap.size_based_auto_wrap_policy
    assert policy(layer, False, 12, min_num_params=10)
    assert not policy(layer, False, 12, min_num_params=13)
    assert not policy(torch.nn.ModuleList(), False, 12, min_num_params=1)
    assert not torch.onnx.is_in_onnx_export()


def test_signature_of_a_module():
    import inspect

    assert str(inspect.signature(torch.nn.ReLU())) == "(*args, **kwargs)"
    assert list(inspect.signature(torch.nn.ReLU).parameters) == ["inplace"]


def test_records_of_a_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"w": torch.arange(3.0)}, path)
    reader = torch.PyTorchFileReader(str(path))
    assert "data.pkl" in reader.get_all_records() and reader.has_record("version")
    data = reader.get_storage_from_record("data/0", 3, torch.float32)
    assert data.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="failed locating file nothing"):
        reader.get_record("nothing")


def test_names_that_nothing_is_an_instance_of():
    from flambeau._subclasses.fake_tensor import is_fake
    from flambeau.fx.experimental.proxy_tensor import get_proxy_mode
    from flambeau.nn.parallel.scatter_gather import scatter_kwargs

    assert not is_fake(torch.ones(1)) and get_proxy_mode() is None
    assert not isinstance(1, (torch.SymInt, torch.SymBool)) and torch.torch is torch
    assert torch.Future[int].__origin__ is torch.futures.Future
    assert scatter_kwargs((1,), {"a": 2}, ["cpu"]) == (((1,),), ({"a": 2},))
    assert torch.distributed.constants.default_pg_timeout.total_seconds() == 1800


def test_what_is_called_in_the_extension():
    assert torch._C._nn._parse_to("cpu", torch.float64)[:2] == (torch.device("cpu"), torch.float64)
    assert not torch._C._are_functorch_transforms_active()
    seen = []
    torch.func.vmap(lambda x: seen.append(torch._C._are_functorch_transforms_active()) or x)(
        torch.ones(2))
    assert seen == [True]
    with pytest.raises(RuntimeError, match="single nonzero value"):
        torch._assert_async(torch.tensor(0))


def test_policies_that_choose_modules():
    from flambeau.distributed.fsdp import wrap

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))
    says = {net: False, net[0]: True, net[1]: {}, net[2]: {"mixed": 2}}
    chosen = wrap.CustomPolicy(says.get)._run_policy(net, set(), {"mixed": 1})
    assert chosen == {net[0]: {"mixed": 1}, net[2]: {"mixed": 2}}
    by_class = wrap.ModuleWrapPolicy({torch.nn.Linear})
    assert by_class._run_policy(net, {net[0]}, {"a": 1}) == {net[2]: {"a": 1}}
    with pytest.raises(ValueError, match="should return False/True or a kwarg dict"):
        wrap.CustomPolicy(lambda module: None)._run_policy(net, set(), {})


def test_warn_always():
    assert not torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    assert torch.is_warn_always_enabled()
    torch.set_warn_always(False)
