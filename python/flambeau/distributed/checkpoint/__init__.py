"""Checkpoints in a folder (source: torch.distributed.checkpoint). There is one process, which writes
one file by torch.save; PyTorch's own folders, of many processes' pieces, are refused."""

from flambeau.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter


def refuse():
    """RuntimeError: for what would read or write pieces of many processes."""
    raise RuntimeError(
        "Flambeau runs one process (world size 1) and has no distributed checkpoints: save with "
        "torch.save or safetensors"
    )


def _states(values):
    """The state dicts of objects that have one, and other values, by their keys."""
    return {k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in values.items()}


def _home(kind, given, checkpoint_id):
    if given is None and checkpoint_id is None:
        raise ValueError("give a checkpoint_id, the path of a folder, or a FileSystemWriter or "
                         "FileSystemReader of it")
    return kind(checkpoint_id) if given is None else given


def save(state_dict, *, checkpoint_id=None, storage_writer=None, planner=None, process_group=None,
         no_dist=False, use_collectives=True):
    """Writes a state dict to a folder. Values with a state_dict() of their own are asked for it."""
    _home(FileSystemWriter, storage_writer, checkpoint_id).write(_states(state_dict))


def load(state_dict, *, checkpoint_id=None, storage_reader=None, planner=None, process_group=None,
         no_dist=False):
    """Reads a folder into a state dict, in place: tensors that are in it are written, values with a
    load_state_dict() load theirs, others are replaced. RuntimeError for a key that was not saved."""
    _fill(state_dict, _home(FileSystemReader, storage_reader, checkpoint_id).read(), "")


def _fill(into, saved, path):
    for key, value in into.items():
        if key not in saved:
            raise RuntimeError(f"Missing key in checkpoint state_dict: {path}{key}.")
        if hasattr(value, "load_state_dict"):
            value.load_state_dict(saved[key])
        elif isinstance(value, dict):
            _fill(value, saved[key], f"{path}{key}.")
        elif hasattr(value, "copy_"):
            value.detach().copy_(saved[key])
        else:
            into[key] = saved[key]


def save_state_dict(state_dict, storage_writer, process_group=None, coordinator_rank=0, no_dist=False,
                    planner=None):
    """save by its older name."""
    save(state_dict, storage_writer=storage_writer)


def load_state_dict(state_dict, storage_reader, process_group=None, coordinator_rank=0,
                    no_dist=False, planner=None):
    """load by its older name."""
    load(state_dict, storage_reader=storage_reader)
