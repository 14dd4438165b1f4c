"""Whatever stands in a table, the compiler ends with 0 or 1 and no sanitizer's report."""
import os
import random

ROUNDS = int(os.environ.get("FLAMBEAU_FUZZ", "60"))
PIECES = [b"(", b")", b"[", b"]", b"\n", b"\n    ", b",", b":", b";", b"?", b"=", b".", b"-", b"!",
          b"'", b"#", b"\t", b"\0", b"\xff", b"Tensor", b"Tensor[]", b"Scalar", b"int[2]?", b"None",
          b"self", b"g", b"y", b"dim", b"->", b"*", b"1e999", b"99999999999999999999", b"value ",
          b"grad ", b"compose ", b"kernel ", b"like ", b"where(", b"\n    dtypes any\n"]


def mutate(text, r):
    text = bytearray(text)
    for _ in range(r.choice([1, 1, 2, 5, 20])):
        at = r.randrange(len(text) + 1)
        what = r.randrange(5)
        if what == 0:
            del text[at:at + r.choice([1, 3, 20, 300])]
        elif what == 1:
            text[at:at] = r.choice(PIECES)
        elif what == 2:
            end = at + r.randrange(200)
            text[at:at] = text[at:end] * r.choice([1, 2, 10])
        elif what == 3:
            to = r.randrange(len(text) + 1)
            text[at:at] = text[to:to + r.randrange(60)]
        else:
            del text[at:]
    return bytes(text)


def test_mutated_tables(opgen, tables):
    r = random.Random(7)
    texts = [t.read_bytes() for t in tables]
    for _ in range(ROUNDS):
        k = r.randrange(len(texts))
        given = [mutate(t, r) if i == k else t for i, t in enumerate(texts)]
        done, _ = opgen.run(*given)
        assert done.returncode in (0, 1), done.stderr[-2000:]
        assert "runtime error" not in done.stderr, done.stderr[-2000:]
        assert "Sanitizer" not in done.stderr, done.stderr[-2000:]
        assert (done.returncode == 1) == bool(done.stderr), done.stderr[-500:]


def test_small_nonsense(opgen):
    r = random.Random(11)
    for _ in range(ROUNDS):
        text = b"f(Tensor self, Scalar s=1, int[]? d=None) -> Tensor\n"
        text += b"    value self\n    grad self: "
        text += b" ".join(r.choice(PIECES) for _ in range(r.randrange(30)))
        done, _ = opgen.run(text)
        assert done.returncode in (0, 1) and "Sanitizer" not in done.stderr, done.stderr[-2000:]
