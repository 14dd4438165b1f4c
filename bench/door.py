"""What a call costs from Python, part by part: nanoseconds, the fastest of many rounds. `make bench-door` runs it after
its twin in C, door.c."""
import time

import flambeau as torch


def measure(what, statement, **names):
    code = compile(f"for _ in range(1000): {statement}", what, "exec")
    empty = compile("for _ in range(1000): pass", "empty", "exec")
    best = {}
    for key, body in (("it", code), ("loop", empty)):
        best[key] = 1e9
        for _ in range(200):
            start = time.perf_counter_ns()
            exec(body, names)
            best[key] = min(best[key], (time.perf_counter_ns() - start) / 1000)
    print(f"{what:44s} {best['it'] - best['loop']:8.1f} ns")


def from_python():
    a, b, w = torch.ones(1), torch.ones(1), torch.ones(1, requires_grad=True)
    m = torch.ones(4, 4)
    layer, x = torch.nn.Linear(8, 8), torch.ones(4, 8)
    measure("Python: a.dim(), no operator", "a.dim()", a=a)
    measure("Python: a + b", "a + b", a=a, b=b)
    measure("Python: a + 1", "a + 1", a=a)
    measure("Python: torch.add(a, b)", "torch.add(a, b)", torch=torch, a=a, b=b)
    measure("Python: a.sum(dim=0)", "a.sum(dim=0)", a=a)
    measure("Python: w + b, recorded", "w + b", w=w, b=b)
    measure("Python: m.view(2, 8)", "m.view(2, 8)", m=m)
    measure("Python: m[0]", "m[0]", m=m)
    measure("Python: nn.Linear(8, 8) on (4, 8)", "layer(x)", layer=layer, x=x)
    measure("Python: (w * b).backward()", "(w * b).backward()", w=w, b=b)


if __name__ == "__main__":
    from_python()
