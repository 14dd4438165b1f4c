"""A step along a direction that meets the strong Wolfe conditions (Nocedal and Wright, Numerical
Optimization, algorithms 3.5 and 3.6; source: torch.optim.lbfgs)."""


def cubic_minimum(x1, f1, g1, x2, f2, g2, bounds=None):
    """Where the cubic with these values and slopes at x1 and x2 is least, within bounds; their middle
    where it has no minimum."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(place, low), high)


class _Point:
    """A step with the loss, the gradient and the slope there."""

    def __init__(self, t, loss, g, slope):
        self.t, self.loss, self.g, self.slope = t, loss, g, slope


def strong_wolfe(evaluate, t, d, loss, g, slope, c1=1e-4, c2=0.9, tolerance=1e-9, most=25):
    """evaluate(t) -> (loss, gradient) at t along d; slope = g . d at 0, less than 0. Returns (loss,
    gradient, t, calls of evaluate)."""

    def probe(t):
        value, gradient = evaluate(t)
        return _Point(t, value, gradient, gradient.dot(d))

    start = _Point(0, loss, g.clone(), slope)
    before, point, calls, rounds, done = start, probe(t), 1, 0, False
    bracket = None
    while rounds < most:
        too_high = point.loss > loss + c1 * point.t * slope
        if too_high or (rounds > 1 and point.loss >= before.loss):
            bracket = [before, point]
        elif abs(point.slope) <= -c2 * slope:
            bracket, done = [point], True
        elif point.slope >= 0:
            bracket = [before, point]
        if bracket is not None:
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        t = cubic_minimum(
            before.t, before.loss, before.slope, point.t, point.loss, point.slope, bounds
        )
        before, point = point, probe(t)
        calls, rounds = calls + 1, rounds + 1
    if rounds == most:
        bracket = [start, point]
    more, best = _zoom(probe, bracket, d, loss, slope, c1, c2, tolerance, most - rounds, done)
    return best.loss, best.g, best.t, calls + more


def _zoom(probe, bracket, d, loss, slope, c1, c2, tolerance, most, done):
    """Narrows a bracket down to a point that meets the conditions: (calls, the point)."""
    largest, calls, stuck = d.abs().max(), 0, False
    low = 0 if bracket[0].loss <= bracket[-1].loss else 1
    while not done and calls < most:
        a, b = bracket
        if abs(b.t - a.t) * largest < tolerance:
            break
        t = cubic_minimum(a.t, a.loss, a.slope, b.t, b.loss, b.slope)
        left, right = min(a.t, b.t), max(a.t, b.t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # close to an end: once is let pass
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = probe(t)
        calls += 1
        if point.loss > loss + c1 * t * slope or point.loss >= bracket[low].loss:
            bracket[1 - low] = point
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        if abs(point.slope) <= -c2 * slope:
            done = True
        elif point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
    return calls, bracket[low]
