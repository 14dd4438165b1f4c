"""Deep Q-learning balances a pole on a cart.

    python examples/dqn.py [seed] [episodes]

The cart is pushed left or right; an episode ends when the pole falls, the cart leaves its track, or
after 500 steps (Barto, Sutton and Anderson, 1983). The network learns what each push is worth, from
what it remembers (Mnih and others, "Human-level control through deep reinforcement learning", 2015;
double Q-learning, van Hasselt and others, 2015).
"""
import collections
import math
import random
import sys

import flambeau as torch
from flambeau import nn

DISCOUNT, BATCH, MEMORY, WARM_UP, STEPS = 0.99, 64, 20_000, 500, 500
Step = collections.namedtuple("Step", "state push reward next_state goes_on")


class CartPole:
    """A pole of half a metre's half-length on a cart; the state is (place, speed, angle, turn)."""

    GRAVITY, CART, POLE, HALF, FORCE, TICK = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def start(self):
        self.state = [random.uniform(-0.05, 0.05) for _ in range(4)]
        return list(self.state)

    def push(self, right):
        """Moves on by a tick. Returns the new state and whether the pole still stands."""
        x, speed, angle, turn = self.state
        force = self.FORCE if right else -self.FORCE
        sine, cosine, mass = math.sin(angle), math.cos(angle), self.CART + self.POLE
        pull = (force + self.POLE * self.HALF * turn**2 * sine) / mass
        turn_by = (self.GRAVITY * sine - cosine * pull) / (
            self.HALF * (4 / 3 - self.POLE * cosine**2 / mass)
        )
        speed_by = pull - self.POLE * self.HALF * turn_by * cosine / mass
        self.state = [
            x + self.TICK * speed,
            speed + self.TICK * speed_by,
            angle + self.TICK * turn,
            turn + self.TICK * turn_by,
        ]
        return list(self.state), abs(self.state[0]) < 2.4 and abs(self.state[2]) < math.radians(12)


def network():
    """States (N, 4) in, the worth of a push to the left and to the right (N, 2) out."""
    return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


@torch.no_grad()
def best_push(model, state):
    return model(torch.tensor(state)).argmax().item()


def learn(model, target, optimizer, memory):
    """One step of the network towards reward + DISCOUNT * worth of the best next push."""
    batch = Step(*zip(*random.sample(memory, BATCH)))
    state, next_state = torch.tensor(batch.state), torch.tensor(batch.next_state)
    push, reward = torch.tensor(batch.push).unsqueeze(1), torch.tensor(batch.reward)
    goes_on = torch.tensor(batch.goes_on, dtype=torch.float32)
    with torch.no_grad():
        chosen = model(next_state).argmax(1, keepdim=True)
        wanted = reward + DISCOUNT * goes_on * target(next_state).gather(1, chosen).squeeze(1)
    loss = nn.functional.smooth_l1_loss(model(state).gather(1, push).squeeze(1), wanted)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()
    with torch.no_grad():  # the target follows slowly
        for slow, fast in zip(target.parameters(), model.parameters()):
            slow.lerp_(fast, 0.01)


def play(model, world):
    """How long the model keeps the pole up, without trying anything new."""
    state, steps, up = world.start(), 0, True
    while up and steps < STEPS:
        state, up = world.push(best_push(model, state))
        steps += 1
    return steps


def train(episodes):
    """Returns the model that kept the pole up longest. Stops early when it is learnt."""
    world, model, target = CartPole(), network(), network()
    target.load_state_dict(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    memory, lengths, seen = collections.deque(maxlen=MEMORY), [], 0
    best, kept = 0.0, model.state_dict()
    for episode in range(1, episodes + 1):
        state, step, up = world.start(), 0, True
        while up and step < STEPS:
            step += 1
            curious = max(0.05, 1 - seen / 4000)
            push = random.randrange(2) if random.random() < curious else best_push(model, state)
            next_state, up = world.push(push)
            memory.append(Step(state, push, 1.0, next_state, up))
            state, seen = next_state, seen + 1
            if len(memory) >= WARM_UP and seen % 2 == 0:
                learn(model, target, optimizer, memory)
        lengths.append(step)
        if episode % 10:
            continue
        length = sum(play(model, world) for _ in range(3)) / 3
        recent = sum(lengths[-10:]) / 10
        print(f"episode {episode:3d}  trained {recent:5.1f} steps  played {length:5.1f}", flush=True)
        if length > best:
            best, kept = length, {name: value.clone() for name, value in model.state_dict().items()}
        if best == STEPS:
            break
    model.load_state_dict(kept)
    return model


def show(model, world):
    """The pole over time, seen from the side: one line every 25 steps."""
    state, up = world.start(), True
    for step in range(STEPS):
        if step % 100 == 0:
            column = round((state[0] + 2.4) / 4.8 * 40)
            lean = "|" if abs(state[2]) < 0.02 else "/" if state[2] > 0 else "\\"
            print(f"{step:4d} [{' ' * column}{lean}{' ' * (40 - column)}]")
        state, up = world.push(best_push(model, state))
        if not up:
            break


def main(seed, episodes):
    torch.manual_seed(seed)
    random.seed(seed)
    model, world = train(episodes), CartPole()
    lengths = [play(model, world) for _ in range(5)]
    print(f"the pole stands for {sum(lengths) / 5:.0f} of {STEPS} steps\n")
    show(model, world)


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    main(arguments[0] if arguments else 0, arguments[1] if arguments[1:] else 300)
