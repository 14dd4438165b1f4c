"""The operator table holds what computes: C has it too. A function of flambeau, of Tensor, of
flambeau.nn.functional or of a namespace that Python defines is either a form of an operator of the
same name (its old arguments, its warnings), or stands below with its reason."""
import pathlib
import types

import pytest

torch = pytest.importorskip("flambeau")
import flambeau.functional  # noqa: E402
import flambeau.nn.functional as F  # noqa: E402

REASONS = {
    # arguments that only Python has
    "einsum": "operands one by one, or with lists of numbers in the place of letters: einsum_letters",
    "tensordot": "dims is an int or two lists: tensordot_dims",
    "lu": "two or three results, by a flag; out is a tuple: linalg.lu_factor_ex",
    "to_dense": "of a dense tensor it is the tensor",
    "is_nonzero": "the truth value of a Python object",
    # algorithms that loop until what they computed is good
    "svd_lowrank": "draws, then factors of the table",
    "pca_lowrank": "svd_lowrank of centred rows",
    "lobpcg": "iterates until residuals are small",
    # removed in PyTorch: they refuse
    **dict.fromkeys(("eig", "lstsq", "matrix_rank", "solve", "symeig"), "refuses, as in PyTorch"),
    # layouts whose tensors are Python objects
    **dict.fromkeys(("sparse_mask", "to_sparse", "to_sparse_coo", "to_sparse_csr"),
                    "sparse layouts are of Python"),
    # functional forms under another name than their operator's, or of several operators
    "logsigmoid": "log_sigmoid, by PyTorch's name",
    "softmin": "softmax of the negated; the dim may be implicit, with a warning",
    "upsample": "interpolate by its old name, with a warning",
    "grid_sample": "grid_sampler, whose modes have names here",
    "affine_grid": "affine_grid_generator, with a warning",
    "linear_cross_entropy": "a loss in pieces, with its own backward",
    "multi_head_attention_forward": "steps of the table; its masks may be None, and are warned of",
    "triplet_margin_with_distance_loss": "the distance is the caller's function",
    "dropout1d": "feature_dropout, which depends on the rank",
    "dropout2d": "feature_dropout, with warnings of the rank",
    "dropout3d": "feature_dropout, with warnings of the rank",
    "max_unpool1d": "max_unpool2d of one row",
    "fractional_max_pool2d_with_indices": "fractional_max_pool2d with its flag",
    "fractional_max_pool3d_with_indices": "fractional_max_pool3d with its flag",
}

SPACES = ("special", "linalg", "fft", "masked")


def in_table(name):
    return any(hasattr(place, name) for place in (torch._C, torch._C._nn, torch._C.Tensor)
               if not isinstance(getattr(place, name, None), types.FunctionType))


def of_python(place, home):
    """The public functions that Python defines below `home`."""
    return {
        name for name, value in vars(place).items()
        if isinstance(value, types.FunctionType) and not name.startswith("_")
        and value.__module__.startswith(home)
    }


def python_functions():
    for name in F._HOMES:
        getattr(F, name)
    return (of_python(flambeau.functional, "flambeau.functional")
            | of_python(F, "flambeau.nn")
            | of_python(torch._C.Tensor, "flambeau")
            | set().union(*(of_python(getattr(flambeau, space), "flambeau") for space in SPACES)))


def test_each_function_of_python_has_its_reason():
    left = {name for name in python_functions() if not in_table(name)}
    assert left - set(REASONS) == set(), "make them paragraphs of the table"


def test_no_reason_outlives_its_function():
    left = {name for name in python_functions() if not in_table(name)}
    assert set(REASONS) - left == set()


def test_what_remains_is_little():
    """A function of Python that computes is a step back: these files only get shorter."""
    root = pathlib.Path(flambeau.functional.__file__).parents[1]
    lines = sum(len(file.read_text().splitlines())
                for folder in ("functional", "nn") for file in (root / folder).glob("*.py")
                if file.name not in ("init.py", "parameter.py"))
    assert lines < 2200, lines
