"""Trains a small GPT on a poem, letter by letter, and lets it write.

    python examples/char_gpt.py [seed] [steps]

The network is the decoder of "Attention Is All You Need" (2017) in the form of GPT-2 (2019): each
letter looks back at those before it, and says which comes next.
"""
import io
import sys
import time

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

CONTEXT, WIDTH, HEADS, BLOCKS, BATCH = 64, 96, 4, 3, 16

# Lewis Carroll, "Jabberwocky", 1871.
TEXT = """\
'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe:
All mimsy were the borogoves,
And the mome raths outgrabe.

"Beware the Jabberwock, my son!
The jaws that bite, the claws that catch!
Beware the Jubjub bird, and shun
The frumious Bandersnatch!"

He took his vorpal sword in hand;
Long time the manxome foe he sought--
So rested he by the Tumtum tree
And stood awhile in thought.

And, as in uffish thought he stood,
The Jabberwock, with eyes of flame,
Came whiffling through the tulgey wood,
And burbled as it came!

One, two! One, two! And through and through
The vorpal blade went snicker-snack!
He left it dead, and with its head
He went galumphing back.

"And hast thou slain the Jabberwock?
Come to my arms, my beamish boy!
O frabjous day! Callooh! Callay!"
He chortled in his joy.

'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe:
All mimsy were the borogoves,
And the mome raths outgrabe.
"""


class Block(nn.Module):
    """(N, T, WIDTH) to the same: attention to what came before, and a small network for each
    place."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend = nn.Linear(WIDTH, 3 * WIDTH)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.think = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        N, T, _ = x.shape
        q, k, v = (
            part.view(N, T, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.attend(self.norm1(x)).chunk(3, dim=-1)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(seen.transpose(1, 2).reshape(N, T, WIDTH))
        return x + self.think(self.norm2(x))


class GPT(nn.Module):
    """Letters (N, T) as numbers in, scores for the next letter (N, T, letters) out."""

    def __init__(self, letters):
        super().__init__()
        self.letter, self.place = nn.Embedding(letters, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.norm, self.scores = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, letters)

    def forward(self, x):
        places = torch.arange(x.shape[1])
        return self.scores(self.norm(self.blocks(self.letter(x) + self.place(places))))


def train(model, text, steps):
    """Learns from random pieces of the text (a tensor of numbers)."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        at = torch.randint(len(text) - CONTEXT, (BATCH,)).tolist()
        x = torch.stack([text[i : i + CONTEXT] for i in at])
        y = torch.stack([text[i + 1 : i + CONTEXT + 1] for i in at])
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % max(1, steps // 5) == 0:
            speed = step / (time.perf_counter() - start)
            print(f"step {step:4d}  loss {loss.item():.3f}  {speed:.0f} steps/s", flush=True)


@torch.no_grad()
def write(model, letters, begin, count, temperature=0.7):
    """The text that the model writes after `begin`, a letter at a time."""
    model.eval()
    text = torch.tensor([[letters.index(letter) for letter in begin]])
    for _ in range(count):
        scores = model(text[:, -CONTEXT:])[:, -1] / temperature
        text = torch.cat([text, torch.multinomial(scores.softmax(-1), 1)], dim=1)
    return "".join(letters[i] for i in text[0].tolist())


def main(seed, steps):
    torch.manual_seed(seed)
    letters = sorted(set(TEXT))
    model = GPT(len(letters))
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(TEXT)} letters, {len(letters)} different ones; {parameters:,} parameters")
    train(model, torch.tensor([letters.index(letter) for letter in TEXT]), steps)
    print("\n" + write(model, letters, "The ", 400))


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    arguments = [int(word) for word in sys.argv[1:]]
    main(arguments[0] if arguments else 0, arguments[1] if arguments[1:] else 300)
