"""What is asked of distributions, transforms and constraints, of PyTorch and of Flambeau alike.

`questions(L)` yields what can be asked of a library L: a group, a key, a function that answers, and
how exact the answer is. test_distributions.py compares Flambeau's answers with PyTorch's, which
distributions.json holds; tests/conformance/distributions.py records that file, and compares more.
"""

import itertools
import math
import warnings

DTYPES = "float32", "float64"
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}


def distributions(L, dtype):
    """name -> a function that makes it of a list, to which it appends its parameters."""
    D, kind = L.distributions, getattr(L, dtype)

    def t(x, params=None):
        x = L.tensor(x, dtype=kind)
        if params is not None:
            x.requires_grad_()
            params.append(x)
        return x

    def matrices(*sizes):
        L.manual_seed(3)
        a = L.randn(*sizes, sizes[-1], dtype=L.float64).to(kind)
        return a @ a.mT + L.eye(sizes[-1], dtype=kind)

    def leaf(x, p):
        x = x.detach().clone().requires_grad_()
        p.append(x)
        return x

    def one(cls, a):
        return lambda p: cls(t(a, p))

    def pair(cls, a, b):
        return lambda p: cls(t(a, p), t(b, p))

    def named(cls, key, a):
        return lambda p: cls(**{key: t(a, p)})

    probs, logits = [0.2, 0.7, 0.45], [-1.0, 0.4, 2.0]
    rows, row_logits = [[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]], [[0.1, -1.0, 2.0], [0.0, 0.5, -0.5]]
    ab = ([0.7, 1.5, 12.0], [2.0, 0.4, 9.0])
    return {
        "Bernoulli": named(D.Bernoulli, "probs", probs),
        "Bernoulli logits": named(D.Bernoulli, "logits", logits),
        "Bernoulli number": lambda p: D.Bernoulli(0.3),
        "Beta": pair(D.Beta, *ab),
        "Beta number": lambda p: D.Beta(0.5, 2.0),
        "Binomial": lambda p: D.Binomial(12, t(probs, p)),
        "Binomial large": lambda p: D.Binomial(100, logits=t(logits, p)),
        "Categorical": named(D.Categorical, "probs", rows),
        "Categorical logits": named(D.Categorical, "logits", row_logits),
        "Categorical one": named(D.Categorical, "probs", [0.3, 0.7]),
        "Cauchy": pair(D.Cauchy, [0.5, -2.0], [1.0, 3.0]),
        "Chi2": one(D.Chi2, [0.8, 3.0, 20.0]),
        "ContinuousBernoulli": named(D.ContinuousBernoulli, "probs", [0.2, 0.5, 0.9]),
        "ContinuousBernoulli logits": named(D.ContinuousBernoulli, "logits", logits),
        "Dirichlet": one(D.Dirichlet, [[0.5, 1.5, 3.0], [8.0, 7.0, 9.0]]),
        "Dirichlet small": one(D.Dirichlet, [0.05, 0.1, 0.7]),
        "Exponential": one(D.Exponential, [0.5, 2.0]),
        "FisherSnedecor": pair(D.FisherSnedecor, [3.0, 9.0, 1.0], [5.0, 2.0, 8.0]),
        "Gamma": pair(D.Gamma, [0.3, 2.0, 40.0], [1.0, 0.5, 3.0]),
        "Gamma number": lambda p: D.Gamma(2.0, 3.0),
        "GeneralizedPareto": lambda p: D.GeneralizedPareto(
            t([0.0, 1.0, -1.0], p), t([1.0, 2.0, 0.5], p), t([0.3, 0.0, -0.4], p)
        ),
        "Geometric": named(D.Geometric, "probs", probs),
        "Geometric logits": named(D.Geometric, "logits", logits),
        "Gumbel": pair(D.Gumbel, [0.5, -2.0], [1.0, 3.0]),
        "HalfCauchy": one(D.HalfCauchy, [0.5, 2.0]),
        "HalfNormal": one(D.HalfNormal, [0.5, 2.0]),
        "Independent": lambda p: D.Independent(D.Normal(t([[0.0, 1.0]], p), t([[1.0, 2.0]], p)), 1),
        "InverseGamma": pair(D.InverseGamma, [0.7, 2.5, 4.0], [1.0, 0.5, 3.0]),
        "Kumaraswamy": pair(D.Kumaraswamy, [0.7, 1.5, 2.0], [2.0, 0.4, 3.0]),
        "LKJCholesky": lambda p: D.LKJCholesky(3, t(1.5, p)),
        "LKJCholesky batch": lambda p: D.LKJCholesky(4, t([0.5, 2.0], p)),
        "Laplace": pair(D.Laplace, [0.5, -2.0], [1.0, 3.0]),
        "LogNormal": pair(D.LogNormal, [0.5, -2.0], [1.0, 0.3]),
        "LogisticNormal": pair(D.LogisticNormal, [0.5, -2.0, 1.0], [1.0, 0.3, 2.0]),
        "LowRankMultivariateNormal": lambda p: D.LowRankMultivariateNormal(
            t([0.0, 1.0, -1.0], p),
            t([[1.0, 0.0], [0.5, 2.0], [-1.0, 0.3]], p),
            t([1.0, 2.0, 0.5], p),
        ),
        "LowRankMultivariateNormal batch": lambda p: D.LowRankMultivariateNormal(
            t([[0.0, 1.0], [2.0, 3.0]], p), t([[[1.0], [0.5]]], p), t([1.0, 2.0], p)
        ),
        "MixtureSameFamily": lambda p: D.MixtureSameFamily(
            D.Categorical(t([0.3, 0.7], p)), D.Normal(t([0.0, 4.0], p), t([1.0, 0.5], p))
        ),
        "MixtureSameFamily vector": lambda p: D.MixtureSameFamily(
            D.Categorical(logits=t([[0.3, 0.7], [1.0, 0.0]], p)),
            D.Independent(D.Normal(t([[[0.0, 4.0], [1.0, 2.0]]] * 2, p), t([0.5, 1.0], p)), 1),
        ),
        "Multinomial": lambda p: D.Multinomial(7, t(rows, p)),
        "Multinomial logits": lambda p: D.Multinomial(3, logits=t(row_logits, p)),
        "MultivariateNormal": lambda p: D.MultivariateNormal(
            t([0.0, 1.0, -1.0], p), leaf(matrices(3), p)
        ),
        "MultivariateNormal precision": lambda p: D.MultivariateNormal(
            t([[0.0, 1.0, -1.0]], p), precision_matrix=leaf(matrices(2, 3), p)
        ),
        "MultivariateNormal tril": lambda p: D.MultivariateNormal(
            t([0.0, 1.0], p), scale_tril=leaf(L.linalg.cholesky(matrices(2)), p)
        ),
        "NegativeBinomial": lambda p: D.NegativeBinomial(t([3.0, 0.5, 10.0], p), t(probs, p)),
        "NegativeBinomial logits": lambda p: D.NegativeBinomial(4, logits=t(logits, p)),
        "Normal": pair(D.Normal, [0.5, -2.0], [1.0, 3.0]),
        "Normal number": lambda p: D.Normal(0, 2),
        "Normal large": lambda p: D.Normal(t([0.0] * 40, p), t(1.0, p)),
        "OneHotCategorical": named(D.OneHotCategorical, "probs", rows),
        "OneHotCategoricalStraightThrough": named(
            D.OneHotCategoricalStraightThrough, "logits", row_logits
        ),
        "Pareto": pair(D.Pareto, [0.5, 2.0, 1.0], [0.8, 3.0, 1.5]),
        "Poisson": one(D.Poisson, [0.5, 9.0, 40.0]),
        "RelaxedBernoulli": lambda p: D.RelaxedBernoulli(t(0.7, p), t(probs, p)),
        "RelaxedBernoulli logits": lambda p: D.RelaxedBernoulli(t(0.7, p), logits=t(logits, p)),
        "RelaxedOneHotCategorical": lambda p: D.RelaxedOneHotCategorical(t(0.7, p), t(rows, p)),
        "RelaxedOneHotCategorical logits": lambda p: D.RelaxedOneHotCategorical(
            t(0.7, p), logits=t(row_logits, p)
        ),
        "StudentT": lambda p: D.StudentT(t([1.0, 2.5, 9.0], p), t([0.0, 1.0, -1.0], p), t(2.0, p)),
        "TransformedDistribution": lambda p: D.TransformedDistribution(
            D.Normal(t([0.0, 1.0], p), t([1.0, 0.5], p)),
            [D.TanhTransform(), D.AffineTransform(t([1.0, 2.0], p), t([3.0, -1.0], p))],
        ),
        "TransformedDistribution matrix": lambda p: D.TransformedDistribution(
            D.Normal(t([0.0] * 6, p), t(1.0, p)), [D.CorrCholeskyTransform()]
        ),
        "Uniform": pair(D.Uniform, [0.0, -1.0], [1.0, 3.0]),
        "Uniform number": lambda p: D.Uniform(0.0, 1.0),
        "VonMises": pair(D.VonMises, [0.5, -2.0], [1.0, 8.0]),
        "Weibull": pair(D.Weibull, [0.5, 2.0, 1.0], [0.8, 3.0, 1.5]),
        "Wishart": lambda p: D.Wishart(t(6.0, p), leaf(matrices(3), p)),
        "Wishart precision": lambda p: D.Wishart(
            t([5.0, 7.5], p), precision_matrix=leaf(matrices(2), p)
        ),
        "Wishart tril": lambda p: D.Wishart(
            t(5.5, p), scale_tril=leaf(L.linalg.cholesky(matrices(2, 2)), p)
        ),
    }


def transforms(L, dtype):
    """name -> a transform, and a point of its domain."""
    D = L.distributions

    def t(x):
        return L.tensor(x, dtype=getattr(L, dtype))

    line, positive = [-2.0, -0.1, 0.0, 0.7, 3.0], [0.1, 0.5, 1.0, 2.0, 7.0]
    matrix = [[0.3, -1.0, 0.5], [1.0, 0.2, 0.0], [-0.5, 2.0, 1.0]]
    T = D.transforms
    return {
        "Abs": (D.AbsTransform(), line),
        "Affine": (D.AffineTransform(1.0, -2.0), line),
        "Affine tensor": (D.AffineTransform(t([1.0] * 5), t([2.0, -1.0, 0.5, 3.0, 1.0])), line),
        "Affine event": (D.AffineTransform(1.0, t([2.0, -1.0, 0.5, 3.0, 1.0]), event_dim=1), line),
        "Cat": (D.CatTransform([D.ExpTransform(), D.TanhTransform()], lengths=[2, 3]), line),
        "Cat rows": (D.CatTransform([D.ExpTransform(), T.identity_transform], dim=-1,
                                    lengths=[1, 2]), matrix),
        "Compose": (D.ComposeTransform([D.TanhTransform(), D.AffineTransform(1.0, 3.0)]), line),
        "Compose events": (D.ComposeTransform([D.ExpTransform(), D.SoftmaxTransform()]), line),
        "Compose empty": (T.identity_transform, line),
        "CorrCholesky": (D.CorrCholeskyTransform(), [0.3, -1.0, 0.5]),
        "CorrCholesky batch": (D.CorrCholeskyTransform(), [[0.3, -1.0, 0.5], [0.1, 0.2, 0.3]]),
        "CumulativeDistribution": (D.CumulativeDistributionTransform(D.Normal(t(0.0), t(2.0))),
                                   line),
        "Exp": (D.ExpTransform(), line),
        "Exp cached": (D.ExpTransform(cache_size=1), line),
        "Exp inverse": (D.ExpTransform().inv, positive),
        "Independent": (D.IndependentTransform(D.ExpTransform(), 1), line),
        "LowerCholesky": (D.LowerCholeskyTransform(), matrix),
        "PositiveDefinite": (D.PositiveDefiniteTransform(), matrix),
        "Power": (D.PowerTransform(t(2.0)), positive),
        "Power tensor": (D.PowerTransform(t([2.0, -1.0, 0.5, 3.0, 1.0])), positive),
        "Reshape": (D.ReshapeTransform((3, 3), (9,)), matrix),
        "Sigmoid": (D.SigmoidTransform(), line),
        "Softplus": (D.SoftplusTransform(), line),
        "Tanh": (D.TanhTransform(), line),
        "Softmax": (D.SoftmaxTransform(), line),
        "Stack": (D.StackTransform([D.ExpTransform(), D.TanhTransform(), D.SigmoidTransform()]),
                  matrix),
        "Stack columns": (D.StackTransform([D.ExpTransform()] * 3, dim=1), matrix),
        "StickBreaking": (D.StickBreakingTransform(), line),
    }


CALLS = """
Normal(0., -1.)|Normal(L.tensor([0., float('nan')]), 1.)|Normal('a', 1.)
Normal(L.ones(2), L.ones(3))
Bernoulli()|Bernoulli(1.5)|Bernoulli(probs=0.5, logits=0.)|Bernoulli(L.tensor([0.5, 2.]))
Beta(-1., 1.)|Binomial(-1, 0.5)|Binomial(2.5, 0.5)|Categorical(L.tensor(1.))|Categorical()
Categorical(L.tensor([-1., 2.]))|Categorical(logits=L.tensor(0.))|Cauchy(0., 0.)
ContinuousBernoulli(2., validate_args=True)|Dirichlet(L.tensor(1.))|Dirichlet(L.tensor([0., 1.]))
Exponential(0.)|Gamma(1., -1.)|Geometric(0.)|Geometric(L.tensor([0., 0.5]))|Gumbel(0., -1.)
HalfNormal(-1.)|HalfCauchy(-1.)|Independent(Normal(0., 1.), 1)|InverseGamma(-1., 1.)
Kumaraswamy(-1., 1.)|LKJCholesky(1)|LKJCholesky(3, -1.)|Laplace(0., 0.)|LogNormal(0., -1.)
LowRankMultivariateNormal(L.tensor(0.), L.ones(1, 1), L.ones(1))
LowRankMultivariateNormal(L.zeros(2), L.ones(2), L.ones(2))
LowRankMultivariateNormal(L.zeros(2), L.ones(3, 1), L.ones(2))
LowRankMultivariateNormal(L.zeros(2), L.ones(2, 1), L.ones(3))
LowRankMultivariateNormal(L.zeros(3, 2), L.ones(4, 2, 1), L.ones(2))
LowRankMultivariateNormal(L.zeros(2), L.ones(2, 1), -L.ones(2))
MixtureSameFamily(Normal(0., 1.), Normal(L.zeros(2), 1.))
MixtureSameFamily(Categorical(L.ones(2)), 3)
MixtureSameFamily(Categorical(L.ones(2)), Normal(L.zeros(3), 1.))
MixtureSameFamily(Categorical(L.ones(4, 2)), Normal(L.zeros(3, 2), 1.))
Multinomial(1.5, L.ones(2))|MultivariateNormal(L.tensor(0.), L.eye(1))
MultivariateNormal(L.zeros(2))|MultivariateNormal(L.zeros(2), L.ones(2))
MultivariateNormal(L.zeros(2), scale_tril=L.ones(2))|MultivariateNormal(L.zeros(2), L.ones(2, 2))
MultivariateNormal(L.zeros(2), precision_matrix=L.ones(2))
MultivariateNormal(L.zeros(2), L.ones(2, 2), validate_args=False)
MultivariateNormal(L.zeros(2), scale_tril=-L.eye(2))|NegativeBinomial(-1., 0.5)
NegativeBinomial(1., 1.)|Pareto(-1., 1.)|Poisson(-1.)|RelaxedBernoulli(L.tensor(1.), 2.)
RelaxedOneHotCategorical(L.tensor(1.))|StudentT(-1.)|Uniform(1., 0.)|VonMises(0., -1.)
Weibull(-1., 1.)|Wishart(1., L.eye(3))|Wishart(3., L.ones(2, 2))|Wishart(3.)|Wishart(3., L.ones(2))
TransformedDistribution(Normal(0., 1.), 3)|TransformedDistribution(Normal(0., 1.), [3])
TransformedDistribution(Normal(0., 1.), StickBreakingTransform())|OneHotCategorical()
Normal(0., 1.).enumerate_support()|Normal(0., 1.).sample_n(2)|Bernoulli(0.5).rsample()
Categorical(L.ones(3)).log_prob(L.tensor(3))|Categorical(L.ones(3)).log_prob(L.tensor(0.5))
Uniform(0., 1.).log_prob(L.tensor(2.))|Uniform(0., 1., validate_args=False).log_prob(L.tensor(2.))
Normal(L.zeros(2), 1.).expand((3,))|Binomial(L.tensor([1., 2.]), 0.5).entropy()
Binomial(L.tensor([1., 2.]), 0.5).enumerate_support()|ExpTransform(cache_size=2)
ReshapeTransform((2,), (3,))|AffineTransform(0., 1.).inv.inv.inv
AbsTransform().log_abs_det_jacobian(1, 1)
CatTransform([3])|StackTransform([3])|CatTransform([ExpTransform()], lengths=[1, 2])
CatTransform([ExpTransform()])(L.ones(3))|StackTransform([ExpTransform()])(L.ones(3))
kl_divergence(Normal(0., 1.), Cauchy(0., 1.))|kl_divergence(Normal(0., 1.), Poisson(1.))
kl_divergence(Binomial(2, 0.5), Binomial(3, 0.5))
kl_divergence(Chi2(2.), Chi2(3.))|kl_divergence(LogNormal(0., 1.), LogNormal(1., 1.))
kl_divergence(LogNormal(0., 1.), Gumbel(1., 1.))|Distribution().sample()|Distribution().mode
Distribution.set_default_validate_args(3)|utils.broadcast_all('a')|utils.broadcast_all(1, L.ones(2))
utils.tril_matrix_to_vec(L.ones(2, 2), 5)|utils.vec_to_tril_matrix(L.ones(4))
utils.vec_to_tril_matrix(L.arange(6.))|utils.tril_matrix_to_vec(L.arange(9.).view(3, 3), -1)
utils.probs_to_logits(L.tensor([0., 0.5, 1.]))|utils.clamp_probs(L.tensor([0., 0.5, 1.]))
Wishart(4., L.eye(2)).rsample((2, 3), 5)|Chi2(L.tensor([2, 3]).double())
Normal(0, 1).log_prob(L.ones(2))
"""


def attempt(f):
    """What f returns, as plain lists (["tensor", dtype, shape, numbers]); an exception as its kind
    and its first line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(f())
        except Exception as error:
            text = " ".join(str(error).split("\n")[0].split()).rstrip(".")
            return ["error", type(error).__name__.lstrip("_"), text.replace("flambeau", "torch")]


def plain(x):
    if hasattr(x, "requires_grad_"):
        dtype = str(x.dtype).split(".")[1]
        return ["tensor", dtype, list(x.shape), x.detach().flatten().tolist()]
    return [plain(y) for y in x] if isinstance(x, (list, tuple)) else x


def is_tensor(x):
    return isinstance(x, list) and len(x) == 4 and x[0] == "tensor"


def numbers(x):
    """The numbers of the tensors in an answer."""
    if is_tensor(x):
        return x[3]
    return [n for y in x for n in numbers(y)] if isinstance(x, list) else []


def form(x):
    """The answer without those numbers."""
    if is_tensor(x):
        return x[:3]
    return [form(y) for y in x] if isinstance(x, list) else x


def near(a, b, tolerance):
    if a == b or (a != a and b != b):
        return True
    if isinstance(a, bool) or not (math.isfinite(a) and math.isfinite(b)):
        return False
    return abs(a - b) <= tolerance * max(1, abs(a), abs(b))


def agree(a, b, tolerance):
    """Whether two answers are the same but for rounding."""
    if any("float32" in str(form(x)) for x in (a, b)):
        tolerance = max(tolerance, TOLERANCE["float32"])
    return form(a) == form(b) and all(
        near(x, y, tolerance) for x, y in zip(numbers(a), numbers(b))
    )


def seeded(L, f):
    L.manual_seed(11)
    return f()


def gradients(value, params):
    """Those of the parameters, of a weighted sum of value."""
    weights = [1.0 + 0.1 * i for i in range(value.numel())]
    (value * value.new_tensor(weights).view(value.shape)).sum().backward()
    return [p.grad if p.grad is not None else p.new_zeros(()) for p in params]



def about_distribution(L, name, dtype):
    """Questions about one distribution: a kind, a function, how exact."""
    make = distributions(L, dtype)[name]
    kind = getattr(L, dtype)

    def draw():
        return seeded(L, lambda: make([]).sample((4,)))

    def with_gradients(f):
        """f(a distribution) and the gradients of its parameters."""

        def answer():
            params = []
            value = seeded(L, lambda: f(make(params)))
            return [value, *gradients(value, params)]

        return answer

    def larger():
        return make([]).expand((2, *make([]).batch_shape))

    yield "repr", lambda: repr(make([])), 1
    yield "shapes", lambda: [*make([]).batch_shape, "of", *make([]).event_shape], 1
    yield "flags", lambda: [make([]).has_rsample, make([]).has_enumerate_support], 1
    yield "support", lambda: [repr(make([]).support), make([]).support.event_dim], 1
    yield "is_discrete", lambda: make([]).support.is_discrete, 1
    for moment in ("mean", "mode", "variance", "stddev"):
        yield moment, lambda moment=moment: getattr(make([]), moment), 1
    yield "sample one", lambda: seeded(L, lambda: make([]).sample()), 1
    yield "sample", draw, 1
    yield "sample many", lambda: seeded(L, lambda: make([]).sample((2, 20))), 1
    yield "rsample", lambda: seeded(L, lambda: make([]).rsample((4,))), 1
    yield "rsample gradient", with_gradients(lambda d: d.rsample((4,))), 20
    yield "log_prob", with_gradients(lambda d: d.log_prob(draw())), 50
    yield "cdf", lambda: make([]).cdf(draw()), 5
    yield "icdf", lambda: make([]).icdf(L.tensor(0.3, dtype=kind)), 5
    yield "entropy", with_gradients(lambda d: d.entropy()), 50
    yield "perplexity", lambda: make([]).perplexity(), 50
    yield "enumerate_support", lambda: make([]).enumerate_support(), 1
    yield "enumerate_support one", lambda: make([]).enumerate_support(False), 1
    yield "expand", lambda: repr(larger()), 1
    yield "expand sample", lambda: seeded(L, lambda: larger().sample((3,))), 1
    yield "expand log_prob", lambda: larger().log_prob(
        seeded(L, lambda: larger().sample((3,)))), 50
    yield "refuse NaN", lambda: make([]).log_prob(draw() * math.nan), 1
    yield "refuse shape", lambda: make([]).log_prob(draw()[..., None].expand(*draw().shape, 7)), 1
    yield "refuse number", lambda: make([]).log_prob(1.0), 1


def about_divergences(L, pairs, dtype):
    """The divergence of everything that is registered with each other."""
    made = distributions(L, dtype)
    for p, q in itertools.product(made, made):
        p_class, q_class = p.split()[0], q.split()[0]
        if p_class != q_class and (p_class, q_class) not in pairs:
            continue

        def answer(p=p, q=q):
            params = []
            value = L.distributions.kl_divergence(made[p](params), made[q](params))
            return [value, *(gradients(value, params) if value.requires_grad else [])]

        # numbers are float32 parameters
        exact = 50 if "number" not in p + q or dtype == "float32" else 1e7
        yield f"{p} | {q}", answer, exact


def about_transform(L, name, dtype):
    t, x = transforms(L, dtype)[name]
    x = L.tensor(x, dtype=getattr(L, dtype))
    shape = L.Size(x.shape)

    def gradient():
        leaf = x.clone().requires_grad_()
        return gradients(t(leaf), [leaf])

    yield "forward", lambda: t(x), 1
    yield "inverse", lambda: t.inv(t(x) * 1), 10
    yield "Jacobian", lambda: t.log_abs_det_jacobian(x, t(x)), 10
    yield "inverse Jacobian", lambda: t.inv.log_abs_det_jacobian(t(x), x), 10
    yield "gradient", gradient, 10
    yield "repr", lambda: [repr(t), repr(t.inv), repr(t.domain), repr(t.codomain)], 1
    yield "bijective", lambda: t.bijective, 1
    yield "sign", lambda: t.sign, 1
    yield "event_dim", lambda: t.event_dim, 1
    yield "equal", lambda: [t == t, t == L.distributions.ExpTransform(), t.inv.inv is t], 1
    yield "cache", lambda: repr(t.with_cache()), 1
    yield "shapes", lambda: [list(t.forward_shape(shape)),
                             list(t.inverse_shape(t.forward_shape(shape)))], 1
    yield "forward_shape", lambda: list(t.forward_shape(L.Size())), 1
    yield "inverse_shape", lambda: list(t.inverse_shape(L.Size((4,)))), 1


VALUES = [
    0.0, -1.0, 1.5, 3.0, [0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [2.0, 1.0, 4.0], [1.0, math.nan, 0.0],
    [[1.0, 0.0], [0.5, 2.0]], [[2.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]],
    [[1.0, 0.0], [0.6, 0.8]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
]  # fmt: skip


def constraints(L):
    C = L.distributions.constraints
    names = (
        "boolean corr_cholesky lower_cholesky lower_triangular nonnegative nonnegative_integer "
        "one_hot positive positive_definite positive_semidefinite positive_integer real "
        "real_vector simplex square symmetric unit_interval dependent"
    ).split()
    return {
        **{name: getattr(C, name) for name in names},
        "cat": C.cat([C.positive, C.real], -1, [1, 2]),
        "stack": C.stack([C.positive, C.real], 0),
        "stack vectors": C.stack([C.simplex, C.real_vector], -2),
        "greater_than": C.greater_than(1.0),
        "greater_than_eq": C.greater_than_eq(1.5),
        "less_than": C.less_than(1.0),
        "interval": C.interval(0.0, 2.0),
        "half_open_interval": C.half_open_interval(0.0, 1.5),
        "integer_interval": C.integer_interval(0, 2),
        "independent": C.independent(C.positive, 1),
        "multinomial": C.multinomial(5),
        "mixture": C.MixtureSameFamilyConstraint(C.simplex),
    }


def about_constraint(L, name):
    c = constraints(L)[name]
    for value in VALUES:
        yield f"{value}", lambda value=value: c.check(L.tensor(value, dtype=L.float64)), 1
    yield "repr", lambda: repr(c), 1
    yield "is_discrete", lambda: c.is_discrete, 1
    yield "event_dim", lambda: c.event_dim, 1
    for registry in ("biject_to", "transform_to"):
        yield registry, lambda registry=registry: repr(getattr(L.distributions, registry)(c)), 1


def about_calls(L):
    """Whole calls: what is refused, and how; and the functions of utils."""
    D = L.distributions
    names = {n: getattr(D, n) for n in D.__all__} | {"L": L, "utils": D.utils}

    def answer(text):
        value = seeded(L, lambda: eval(text, names))
        return value if isinstance(value, (L.Tensor, list, tuple)) else repr(value)

    for text in CALLS.replace("\n", "|").split("|"):
        if text.strip():
            yield text, lambda text=text: answer(text), 1


def questions(L, pairs):
    """Everything: group, key, function, tolerance. pairs: the names of classes that kl_divergence
    is registered for."""
    for dtype in DTYPES:
        for name in distributions(L, dtype):
            for kind, f, exact in about_distribution(L, name, dtype):
                yield name, f"{kind} {dtype}", f, exact * TOLERANCE[dtype]
        for kind, f, exact in about_divergences(L, pairs, dtype):
            yield "kl_divergence", f"{kind} {dtype}", f, exact * TOLERANCE[dtype]
        for name in transforms(L, dtype):
            for kind, f, exact in about_transform(L, name, dtype):
                yield "transform " + name, f"{kind} {dtype}", f, exact * TOLERANCE[dtype]
    for name in constraints(L):
        for kind, f, exact in about_constraint(L, name):
            yield "constraint " + name, kind, f, 0
    for kind, f, exact in about_calls(L):
        yield "calls", kind, f, 1e-5
