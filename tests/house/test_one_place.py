"""One pipeline: what every operator's call does is done in one place, by the functions that call it.

A kind of operator computes; the door (src/ops/door.c) records, asks whether a tensor may be written,
refuses dtypes and casts. Beside it stand the pointwise operators, whose short path does all of it at
once, and those who look at a call before it runs: a batch records what it was given with lanes, a
tangent what it was computed from."""
import re

FUNCTION = re.compile(r"^(?:static |inline |__attribute__\(\([^)]*\)+\) )*"
                      r"(?:struct )?\w[\w ]*[ *](\w+)\([^;]*?\)\n\{\n(.*?)^\}", re.M | re.S)

PLACES = {
    # a call that gave new results: a node in the graph
    "record_call": {
        "door.c": ["record_results"],
        "pointwise.c": ["call_general", "call_short"],
        "batch.c": ["call_computed"],
        "forward.c": ["call_computed"],
    },
    # a call that writes one of its tensors
    "record_write": {"door.c": ["call_writer"], "pointwise.c": ["call_general"]},
    # whether a tensor may be written
    "autograd_check_inplace": {
        "door.c": ["check_permission"],
        "pointwise.c": ["call_general"],
        "function.c": ["record_result"],  # what Python's Function says that it wrote
        "construct.c": ["method_set"],
    },
    # results cast to what they are written to
    "dtype_check_cast": {
        "door.c": ["check_cast"],
        "pointwise.c": ["check_destination"],
        "loss.c": ["bce_with_logits_compose", "soft_margin_loss_compose"],
    },
    # sizes that do not match what is written
    "shape_refuse": {
        "door.c": ["call_inplace"], "pointwise.c": ["check_destination"], "copy.c": ["copy__cpu"],
        "mask.c": ["masked_fill__cpu"],
    },
    # out= where a gradient is asked for
    "record_refuse_out": {"door.c": ["call_out"], "pointwise.c": ["call_general"]},
}
# Files that may write an error that a dtype has no kernel: two put its name together themselves.
NOT_IMPLEMENTED = ["dtype.c", "softmax.c", "triangle.c"]
# Texts of errors that stand once in the sources.
ONCE = [
    "doesn't match the broadcast shape", "can't be cast to the desired output type",
    "functions with out=... arguments don't support",
]


def callers(root, name):
    """file -> the functions in it that call `name`."""
    found = {}
    for file in sorted((root / "src").rglob("*.c")):
        text = file.read_text()
        if name + "(" not in text:
            continue
        for function, body in FUNCTION.findall(text):
            if function != name and re.search(rf"\b{name}\(", body):
                found.setdefault(file.name, set()).add(function)
    return {file: sorted(names) for file, names in found.items()}


def test_who_records_permits_casts_and_refuses(root):
    assert {name: callers(root, name) for name in PLACES} == PLACES


def sources(root):
    return {file: re.sub(r'"\s*\n\s*"', "", file.read_text())
            for file in (root / "src").rglob("*.[ch]")}


def test_dtype_refuse_is_the_only_one(root):
    assert sorted(file.name for file, text in sources(root).items()
                  for _ in re.findall("not implemented for '%s'", text)) == NOT_IMPLEMENTED


def test_each_error_of_the_pipeline_stands_once(root):
    text = "\n".join(sources(root).values())
    assert {error: text.count(error) for error in ONCE} == dict.fromkeys(ONCE, 1)
