"""The operator table alone lists operators: a list of their names elsewhere would have to be kept in
step with it by hand. What lists names for another reason stands here, with it."""
import ast
import re

import pytest

LEAST = 4  # fewer names in one list are an example or a choice

# Lists that say something of operators which the table does not know, and what that is.
REASONS = {
    "python/flambeau/_foreach.py": "which operators PyTorch has on lists of tensors",
    "python/flambeau/nn/_losses.py": "where old arguments (size_average, reduce) stand",
    "python/flambeau/nn/init.py": "the gain that is advised for what follows a layer",
    "python/flambeau/sparse/__init__.py": "what torch.sparse has",
    "python/flambeau/sparse/tensor.py": "what keeps a sparse tensor's zeros, and other names of methods",
    "src/device/gpu_kernels.c": "which operators have a kernel written for a GPU",
    "src/ops/index/segment_reduce.c": "the words of an argument, which are names of reductions",
}
# Where C asks which operator a call is of, and what the table has no key for.
ASKED = {
    "src/device/gpu_conv.c": {"_adaptive_max_pool2d"},  # one function for two rows of gpu_kernels.c
    "src/device/gpu_places.c": {"index_add_", "scatter_add_"},  # likewise
    "src/ops/advise.c": {"sub", "linear"},  # what a mistake looks like in a program's graph
    "src/ops/index/segment_reduce.c": {"mean"},  # a word of an argument
    "src/ops/pointwise/pointwise.c": {"sub", "mul"},  # likewise: whose uneven ranks are looked at
    "src/ops/pointwise/arithmetic.c": {"_div_trunc"},  # which its own composite chose
    "src/ops/batch.c": {"empty_like", "_lane_enter"},  # room has a lane's too; lanes' own operator
    "src/ops/record_shown.c": {"_lane_enter", "_lane_expand"},  # lanes' own operators
    "src/ops/reduce/reduce.c": {"mean"},  # PyTorch's refusal of integers has words of its own there
    "src/ops/room.c": {"arange"},  # PyTorch warns of a size that rounding made, there alone
    "src/python/call/arguments.c": {"resize_"},  # changes handles, as no other writer does
}
# Files that had such lists once: no operator is named in them at all.
FREE = ["python/flambeau/__init__.py", "src/python/call/results.c",
        "src/python/call/module_functions.c", "src/python/call/varargs.c",
        "src/python/call/mismatch.c"]


@pytest.fixture(scope="module")
def operators(root):
    """The base names of all paragraphs, and the names that they have besides."""
    names = set()
    for table in (root / "src/ops").glob("*/*.ops"):
        text = table.read_text()
        names |= set(re.findall(r"^(\w+)(?:\.\w+)?\(", text, re.M))
        for words in re.findall(r"^    alias +(.*)", text, re.M):
            names |= set(words.split())
    return names


def lists_of_python(text):
    """The words of each list, set, tuple, dict's keys, and string of several words, with their line."""
    tree = ast.parse(text)
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        words = [item.value for item in items
                 if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            words = node.value.split() if re.fullmatch(r"[\w\s]+", node.value) else []
        yield node, words


def lists_of_c(text):
    """The strings of each initializer in braces, and each string of several words."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for block in re.findall(r"= \{(.*?)^\s*\};", text, re.S | re.M):
        yield None, re.findall(r'"(\w+)(?:\.\w+)?"', block)
    for strings in re.findall(r'"[\w\s]+"(?:\s*"[\w\s]+")*', text):
        yield None, strings.replace('"', " ").split()


def found(file, names):
    """The largest list of operators' names in a file."""
    lists = (lists_of_python if file.suffix == ".py" else lists_of_c)(file.read_text())
    best = []
    for _, words in lists:
        known = [word for word in words if word in names or word.removesuffix("_") in names]
        if len(known) >= max(LEAST, 0.75 * len(words), len(best) + 1):
            best = known
    return best


def test_no_list_of_operators_beside_the_table(root, operators):
    files = [*(root / "python").rglob("*.py"), *(root / "src").rglob("*.[ch]")]
    lists = {str(file.relative_to(root)): found(file, operators) for file in files}
    lists = {file: names for file, names in lists.items() if names}
    assert {file: names for file, names in lists.items() if file not in REASONS} == {}, \
        "say it in the table (a key, a form), or give the list its reason here"
    assert set(REASONS) == set(lists), "a reason outlives its list"


@pytest.mark.parametrize("name", FREE)
def test_no_operator_is_named(root, operators, name):
    file = root / name
    lists = (lists_of_python if file.suffix == ".py" else lists_of_c)(file.read_text())
    assert [word for _, words in lists for word in words if word in operators] == []


def test_c_asks_for_few_operators_by_name(root, operators):
    """A comparison of a descriptor, or of its name, with one operator: a key of the paragraph says more."""
    asks = re.compile(r'strn?cmp\((?:\w+->(?:base|name|title)|record_origin\([^,]*\)), "(\w+)"|[=!]= &op_(\w+)')
    found = {}
    for file in (root / "src").rglob("*.[ch]"):
        names = {a or b for a, b in asks.findall(file.read_text())}
        names = {name for name in names if name in operators or name.removesuffix("_") in operators}
        if names:
            found[str(file.relative_to(root))] = names
    assert found == {file: names for file, names in ASKED.items()}
