"""Walks torch.distributions and flambeau.distributions side by side and counts where they agree.

    PYTHONPATH=python OMP_NUM_THREADS=1 python tests/conformance/distributions.py [-v]
    ... tests/conformance/distributions.py --record tests/python/distributions.json

needs PyTorch. -v tells every difference; --record writes PyTorch's answers to the questions that
tests/python/test_distributions.py asks without it. The questions are those of
tests/python/distribution_cases.py.
"""

import collections
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import torch
from distribution_cases import agree, attempt, numbers, questions

PAIRS = {(p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY}


def kept(group, key):
    """Whether the tests ask it: in float64, and draws in float32 as well."""
    if group == "kl_divergence":
        plain = "number" not in key and "logits" not in key and "large" not in key
        return plain and key.endswith("float64") and "TransformedDistribution" not in key
    if key.endswith("float32"):
        return key.startswith("sample float")
    if "large" in group:
        return key.startswith("log_prob")
    if group.startswith("Wishart") and key.startswith("rsample gradient"):
        return False  # refused: Wishart changes a mask that its graph holds
    if group == "GeneralizedPareto" and ("log_prob" in key or "cdf" in key):
        return False  # PyTorch's is for float32 alone
    less = "sample many", "rsample float", "refuse shape", "perplexity", "expand sample"
    return not key.startswith(less)


def rounded(x):
    if isinstance(x, list):
        return [rounded(y) for y in x]
    return float(f"{x:.10g}") if isinstance(x, float) else x


def record(path):
    answers = collections.defaultdict(dict)
    for group, key, f, _ in questions(torch, PAIRS):
        if kept(group, key):
            answers[group][key] = rounded(attempt(f))
    groups = [f"{json.dumps(g)}: " + "{\n" + ",\n".join(
        f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in found.items()
    ) + "\n}" for g, found in answers.items()]
    pathlib.Path(path).write_text("{\n" + ",\n".join(groups) + "\n}\n")


def main():
    if "--record" in sys.argv:
        record(sys.argv[-1])
        return
    import flambeau

    counts = collections.defaultdict(lambda: [0, 0])  # what -> agreed, all
    drawn, same = 0, 0
    for theirs, ours in zip(questions(torch, PAIRS), questions(flambeau, PAIRS)):
        group, key, _, tolerance = theirs
        a, b = attempt(theirs[2]), attempt(ours[2])
        what = group if group in ("kl_divergence", "calls") else group.split()[0]
        if what not in ("transform", "constraint", "kl_divergence", "calls"):
            what = "distributions: " + key.rsplit(None, 1)[0]
        agreed = agree(a, b, tolerance)
        counts[what][0] += agreed
        counts[what][1] += 1
        if "sample" in key and "gradient" not in key:
            drawn += len(numbers(a))
            same += sum(x == y or (x != x and y != y) for x, y in zip(numbers(a), numbers(b)))
        if not agreed and "-v" in sys.argv:
            print(f"{group}: {key}\n    torch    {str(a)[:300]}\n    flambeau {str(b)[:300]}")
    for what, (agreed, asked) in counts.items():
        print(f"{what:40} {agreed:5} of {asked}")
    print(f"{'all':40} {sum(a for a, _ in counts.values()):5} of "
          f"{sum(n for _, n in counts.values())}")
    print(f"numbers drawn that are the same bits: {same} of {drawn}")


if __name__ == "__main__":
    main()
