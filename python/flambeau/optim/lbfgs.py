"""L-BFGS (source: torch.optim.LBFGS)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.autograd.grad_mode import enable_grad
from flambeau.optim.line_search import strong_wolfe
from flambeau.optim.optimizer import BuiltinOptimizer, _to_scalar, as_real, refuse_options


class LBFGS(BuiltinOptimizer):
    """The direction is minus the gradient times an approximate inverse of the Hessian, which the last
    history_size steps and changes of the gradient give (Nocedal, 1980).

    step(closure) makes up to max_iter iterations, and calls closure at most max_eval times.
    line_search_fn: None, steps of lr, or "strong_wolfe". All parameters are one group, and their
    common state hangs on the first. ValueError for several groups, RuntimeError for another line
    search.
    """

    def __init__(self, params: Iterable, lr: float = 1, max_iter=20, max_eval=None, tolerance_grad=1e-7,
                 tolerance_change=1e-9, history_size=100, line_search_fn=None):
        refuse_options(lr)
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        })
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    def _gradient(self):
        """The gradients of all parameters, one after the other."""
        return _C.cat([
            as_real(_C.zeros_like(p) if p.grad is None else p.grad).reshape(-1)
            for p in self._params
        ])

    def _move(self, t, d):
        """Adds t * d to the parameters."""
        start = 0
        for p in map(as_real, self._params):
            end = start + p.numel()
            p.add_(d[start:end].view_as(p), alpha=t)
            start = end

    def _probe(self, closure, start, t, d):
        """Loss and gradient at start + t * d; the parameters are put back to start."""
        self._move(t, d)
        loss, g = float(closure()), self._gradient()
        for p, value in zip(self._params, start):
            p.copy_(value)
        return loss, g

    def _direction(self, g, state, history):
        """Minus the gradient, times the approximate inverse Hessian: the two-loop recursion."""
        changes, steps, rho = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g.sub(state["prev_flat_grad"]), state["d"].mul(state["t"])
        ys = y.dot(s)
        if ys > 1e-10:
            if len(changes) == history:
                for kept in (changes, steps, rho):
                    kept.pop(0)
            changes.append(y)
            steps.append(s)
            rho.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        al = state.setdefault("al", [None] * history)
        q = g.neg()
        for i in reversed(range(len(changes))):
            al[i] = steps[i].dot(q) * rho[i]
            q.add_(changes[i], alpha=-al[i])
        d = _C.mul(q, state["H_diag"])
        for i in range(len(changes)):
            d.add_(steps[i], alpha=al[i] - changes[i].dot(d) * rho[i])
        return d

    def step(self, closure):
        """Iterates. closure: clears the gradients, computes the loss and its gradients, and returns
        it. Returns the first loss."""
        before = _C._is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            return self._iterate(enable_grad()(closure))
        finally:
            _C._set_grad_enabled(before)

    def _iterate(self, closure):
        group, state = self.param_groups[0], self.state[self._params[0]]
        lr, max_iter = _to_scalar(group["lr"]), group["max_iter"]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = float(first), 1
        state["func_evals"] += 1
        g = self._gradient()
        if g.abs().max() <= group["tolerance_grad"]:
            return first
        for n in range(1, max_iter + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=g.neg(), old_dirs=[], old_stps=[], ro=[], H_diag=1)
                t = min(1.0, 1.0 / g.abs().sum()) * lr
            else:
                state["d"] = self._direction(g, state, group["history_size"])
                t = lr
            d, old_loss = state["d"], loss
            if state.get("prev_flat_grad") is None:
                state["prev_flat_grad"] = g.clone()
            else:
                state["prev_flat_grad"].copy_(g)
            state.update(prev_loss=loss, t=t)
            slope = g.dot(d)
            if slope > -group["tolerance_change"]:
                break
            loss, g, t, calls = self._search(closure, t, d, loss, g, slope, n, evaluations)
            state["t"] = t
            optimal = g.abs().max() <= group["tolerance_grad"]
            evaluations += calls
            state["func_evals"] += calls
            if n == max_iter or evaluations >= group["max_eval"] or optimal:
                break
            if d.mul(t).abs().max() <= group["tolerance_change"]:
                break
            if abs(loss - old_loss) < group["tolerance_change"]:
                break
        return first

    def _search(self, closure, t, d, loss, g, slope, n, evaluations):
        """Moves along d: (loss, gradient, t, calls of closure)."""
        group, calls = self.param_groups[0], 0
        if group["line_search_fn"] is None:
            self._move(t, d)
            if n != group["max_iter"]:
                loss, g, calls = float(closure()), self._gradient(), 1
            return loss, g, t, calls
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = [p.clone() for p in self._params]
        loss, g, t, calls = strong_wolfe(
            lambda t: self._probe(closure, start, t, d), t, d, loss, g, slope,
            most=group["max_eval"] - evaluations,
        )
        self._move(t, d)
        return loss, g, t, calls
