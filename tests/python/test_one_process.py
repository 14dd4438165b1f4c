"""torch.distributed, DataParallel and the devices that are not here, as PyTorch built for a CPU
answers."""

import datetime
import io

import pytest

import flambeau as torch
from flambeau import distributed as dist
from flambeau.nn.parallel import DataParallel, DistributedDataParallel


@pytest.fixture
def group():
    dist.init_process_group("gloo", init_method="tcp://127.0.0.1:29500", rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_before_and_after():
    assert dist.is_available() and not dist.is_initialized() and dist.is_gloo_available()
    assert not dist.is_nccl_available() and not dist.is_mpi_available()
    for call in (dist.get_rank, dist.get_world_size, dist.barrier, dist.get_backend):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            call()
    with pytest.raises(AssertionError, match="Process group cannot be None"):
        dist.destroy_process_group()


def test_environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="environment variable RANK expected, but not set"):
        dist.init_process_group("gloo")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(NotImplementedError, match="one process, but world_size is 2"):
        dist.init_process_group("gloo")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(RuntimeError, match="doesn't have NCCL built in"):
        dist.init_process_group("nccl")
    with pytest.raises(AssertionError, match="Unknown backend type foo"):
        dist.init_process_group("foo")
    assert not dist.is_initialized()
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=5))
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    with pytest.raises(ValueError, match="default process group twice"):
        dist.init_process_group("gloo")
    with pytest.raises(RuntimeError, match="LOCAL_RANK is not in the environment"):
        dist.get_node_local_rank()
    dist.destroy_process_group()
    assert not dist.is_initialized()


def test_collectives(group):
    x = torch.tensor([1.0, 2.0])
    assert dist.all_reduce(x) is None and x.tolist() == [1.0, 2.0]
    work = dist.all_reduce(x, op=dist.ReduceOp.AVG, async_op=True)
    assert work.wait() and work.is_completed()
    for call in (
        lambda y: dist.all_gather([y], x),
        lambda y: dist.all_gather_into_tensor(y, x),
        lambda y: dist.gather(x, [y], 0),
        lambda y: dist.scatter(y, [x], 0),
        lambda y: dist.reduce_scatter(y, [x]),
        lambda y: dist.reduce_scatter_tensor(y, x),
        lambda y: dist.all_to_all([y], [x]),
        lambda y: dist.all_to_all_single(y, x),
    ):
        y = torch.zeros(2)
        call(y)
        assert y.tolist() == [1.0, 2.0]
    dist.broadcast(x, 0)
    dist.reduce(x, 0)
    dist.monitored_barrier()
    found = [None]
    dist.all_gather_object(found, {"a": (1,)})
    assert found == [{"a": (1,)}]
    dist.broadcast_object_list(found, src=0)
    dist.scatter_object_list(found, [5], 0)
    assert found == [5]


def test_wrong_collectives(group):
    x = torch.ones(2)
    for call, error, text in (
        (lambda: dist.all_reduce(5), TypeError, "`tensor` of type torch.Tensor"),
        (lambda: dist.broadcast(x, 1), RuntimeError, "broadcast: invalid root rank: 1"),
        (lambda: dist.all_gather([x, x], x), RuntimeError, "expected length 1, got 2"),
        (lambda: dist.all_gather([torch.ones(3)], x), RuntimeError, "invalid tensor size"),
        (lambda: dist.all_gather([x.double()], x), RuntimeError, "invalid tensor type"),
        (lambda: dist.gather(x, None, 0), ValueError, "``gather_list`` must be specified"),
        (lambda: dist.scatter(x, None, 0), ValueError, "``scatter_list`` must be specified"),
        (lambda: dist.send(x, 0), ValueError, "Invalid destination rank"),
        (lambda: dist.new_group([1]), ValueError, "Rank 1 is out of range"),
    ):
        with pytest.raises(error, match=text):
            call()


def test_groups(group):
    part = dist.new_group([0])
    assert dist.get_rank(part) == 0 and dist.get_process_group_ranks(part) == [0]
    assert dist.group.WORLD is dist.GroupMember.WORLD and dist.group.WORLD.size() == 1
    dist.all_reduce(torch.ones(1), group=part)
    outside = dist.GroupMember.NON_GROUP_MEMBER
    assert dist.get_rank(outside) == -1 and dist.all_reduce(torch.ones(1), group=outside) is None
    store = dist.HashStore()
    store.set("a", "1")
    assert store.get("a") == b"1" and store.add("n", 2) == 2 and store.num_keys() == 2


def test_distributed_data_parallel():
    with pytest.raises(ValueError, match="has not been initialized"):
        DistributedDataParallel(torch.nn.Linear(2, 2))
    dist.init_process_group(rank=0, world_size=1, store=dist.HashStore())
    try:
        model = DistributedDataParallel(torch.nn.Linear(2, 2))
        assert list(model.state_dict()) == ["module.weight", "module.bias"]
        with model.no_sync():
            model(torch.ones(1, 2)).sum().backward()
        assert model.module.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]
        with pytest.raises(RuntimeError, match="doesn't have any parameter that requires"):
            DistributedDataParallel(torch.nn.ReLU())
        with pytest.raises(ValueError, match="device_ids and output_device arguments only work"):
            DistributedDataParallel(torch.nn.Linear(2, 2), device_ids=[0])
    finally:
        dist.destroy_process_group()


def test_zero_redundancy_optimizer_keeps_each_group_once():
    from flambeau.distributed.optim import ZeroRedundancyOptimizer

    first, second, third = (torch.nn.Parameter(torch.full((2,), i)) for i in (1.0, 1.0, 1.0))
    o = ZeroRedundancyOptimizer([{"params": [first]}, {"params": [second], "lr": 0.5}],
                                torch.optim.SGD, lr=1.0)
    assert [group["lr"] for group in o.param_groups] == [1.0, 0.5]
    o.add_param_group({"params": [third], "lr": 0.25})
    (first + second + third).sum().backward()
    o.step()
    assert [p.tolist() for p in (first, second, third)] == [[0, 0], [0.5, 0.5], [0.75, 0.75]]


def test_data_parallel():
    layer = torch.nn.Linear(2, 2)
    model = torch.nn.DataParallel(layer, device_ids=[0, 1])
    assert isinstance(model, DataParallel) and model.device_ids == []
    x = torch.ones(1, 2)
    assert torch.equal(model(x), layer(x)) and list(model.state_dict())[0] == "module.weight"
    assert torch.equal(torch.nn.parallel.data_parallel(layer, x), layer(x))


def test_cuda():
    cuda = torch.cuda
    assert not cuda.is_available() and cuda.device_count() == 0 and cuda.memory_allocated() == 0
    assert not cuda.is_bf16_supported() and cuda.get_rng_state_all() == []
    cuda.manual_seed_all(1)
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    cuda.set_device(-1)
    with cuda.device(-1), cuda.stream(None):
        pass
    for call in (
        cuda.synchronize,
        cuda.current_device,
        cuda.get_device_name,
        lambda: cuda.set_device(0),
        lambda: cuda.device(0).__enter__(),
        lambda: torch.ones(1).cuda(),
    ):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            call()
    for call in (cuda.Stream, lambda: cuda.Event(enable_timing=True), cuda.CUDAGraph):
        with pytest.raises(RuntimeError, match="requires CUDA support"):
            call()
    with pytest.raises(RuntimeError, match="NVTX functions not installed"):
        cuda.nvtx.range_push("a")
    assert issubclass(cuda.OutOfMemoryError, RuntimeError) and torch.version.cuda is None


def test_other_devices():
    assert not torch.mps.is_available() and not torch.xpu.is_available()
    assert not torch.accelerator.is_available() and torch.accelerator.device_count() == 0
    assert torch.accelerator.current_accelerator() is None
    assert torch.cpu.is_available() and torch.cpu.current_device() == "cpu"
    with pytest.raises(RuntimeError, match="without MPS backend"):
        torch.mps.synchronize()
    with pytest.raises(AssertionError, match="not compiled with XPU"):
        torch.xpu.current_device()
    with pytest.raises(RuntimeError, match="Cannot access accelerator device"):
        torch.accelerator.synchronize()


def test_backends():
    backends = torch.backends
    assert not backends.cudnn.is_available() and backends.cudnn.version() is None
    backends.cudnn.benchmark = True
    with backends.cudnn.flags(enabled=False, benchmark=False):
        assert not backends.cudnn.enabled and not backends.cudnn.benchmark
    assert backends.cudnn.enabled and backends.cudnn.benchmark
    backends.cudnn.benchmark = False
    backends.cuda.matmul.allow_tf32 = True
    backends.cuda.enable_flash_sdp(False)
    assert not backends.cuda.flash_sdp_enabled()
    with backends.cuda.sdp_kernel(enable_flash=True, enable_math=False):
        assert backends.cuda.flash_sdp_enabled() and not backends.cuda.math_sdp_enabled()
    assert not backends.cuda.flash_sdp_enabled() and backends.cuda.math_sdp_enabled()
    backends.cuda.enable_flash_sdp(True)
    assert not backends.mps.is_available() and not backends.cuda.is_built()
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")


def test_saving_through_wrappers():
    model = torch.nn.DataParallel(torch.nn.Linear(2, 2))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    model.load_state_dict(torch.load(file))
