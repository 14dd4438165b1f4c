"""Distributions, transforms, divergences and constraints give PyTorch's answers.

distributions.json holds those of PyTorch 2.13 (tests/conformance/distributions.py --record).
"""

import json
import pathlib
import subprocess
import sys

import pytest
from distribution_cases import agree, attempt, questions

import flambeau
from flambeau.distributions import kl

KNOWN = json.loads(pathlib.Path(__file__).with_name("distributions.json").read_text())


@pytest.fixture(scope="module")
def asked():
    """group -> {key: (function, tolerance)}"""
    pairs = {(p.__name__, q.__name__) for p, q in kl._KL_REGISTRY}
    groups = {}
    for group, key, f, tolerance in questions(flambeau, pairs):
        groups.setdefault(group, {})[key] = f, tolerance
    return groups


@pytest.mark.parametrize("group", KNOWN)
def test_answers_are_pytorchs(asked, group):
    wrong = []
    for key, known in KNOWN[group].items():
        f, tolerance = asked[group][key]
        answer = attempt(f)
        if not agree(known, answer, max(tolerance, 1e-9)):  # ten digits are kept
            wrong.append(f"{key}\n  PyTorch  {known}\n  Flambeau {answer}")
    assert not wrong, "\n".join(wrong[:5])


def test_every_registered_pair_is_asked():
    asked = {tuple(side.split()[0] for side in key.rsplit(None, 1)[0].split(" | "))
             for key in KNOWN["kl_divergence"]}
    abstract = {("ExponentialFamily", "ExponentialFamily"),
                ("TransformedDistribution", "TransformedDistribution")}
    pairs = {(p.__name__, q.__name__) for p, q in kl._KL_REGISTRY}
    assert pairs - asked == abstract


def test_every_distribution_and_transform_is_asked():
    names = {group.split()[0] for group in KNOWN}
    asked = names | {g.split()[1] + "Transform" for g in KNOWN if g.startswith("transform ")}
    others = {"Distribution", "ExponentialFamily", "Transform", "identity_transform", "biject_to",
              "transform_to", "kl_divergence", "register_kl"}
    assert set(flambeau.distributions.__all__) - asked <= others


def test_register_kl_wants_classes_of_distributions():
    with pytest.raises(TypeError, match="Expected type_q to be a Distribution subclass but got 3"):
        kl.register_kl(flambeau.distributions.Normal, 3)
    with pytest.raises(TypeError, match="Expected type_p to be a Distribution subclass"):
        kl.register_kl(int, flambeau.distributions.Normal)


def test_the_most_specific_divergence_counts():
    class Mine(flambeau.distributions.Normal):
        pass

    normal = flambeau.distributions.Normal(0.0, 1.0)
    kl.register_kl(Mine, flambeau.distributions.Normal)(lambda p, q: "P")
    kl.register_kl(flambeau.distributions.Normal, Mine)(lambda p, q: "Q")
    try:
        assert kl.kl_divergence(Mine(0.0, 1.0), normal) == "P"
        assert kl.kl_divergence(normal, Mine(0.0, 1.0)) == "Q"
        with pytest.warns(RuntimeWarning, match=r"Ambiguous kl_divergence\(Mine, Mine\)"):
            assert kl.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == "P"
    finally:
        del kl._KL_REGISTRY[Mine, flambeau.distributions.Normal]
        del kl._KL_REGISTRY[flambeau.distributions.Normal, Mine]
        kl._KL_MEMOIZE.clear()


def test_import_is_lazy():
    code = ("import sys, flambeau; assert 'flambeau.distributions' not in sys.modules;"
            "import flambeau.distributions as D; D.Normal;"
            "assert 'flambeau.distributions.wishart' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_distributions_is_flambeaus():
    code = ("import torch, torch.distributions as D;"
            "from torch.distributions import Normal, kl_divergence, constraints;"
            "from torch.distributions.multivariate_normal import _batch_mahalanobis;"
            "import flambeau; assert D is flambeau.distributions;"
            "print(kl_divergence(Normal(0., 1.), Normal(1., 2.)))")
    done = subprocess.run([sys.executable, "-m", "flambeau", "-c", code], capture_output=True,
                          text=True)
    assert done.stdout == "tensor(0.4431)\n", done.stderr
