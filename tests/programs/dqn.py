"""Deep Q-learning on a cart with a pole, written here: epsilon-greedy play, a replay memory, a
target network, the Huber loss."""
import copy
import math
import random
from collections import deque

import torch
from torch import nn


class CartPole:
    """The equations of Barto, Sutton and Anderson (1983), by Euler's method."""

    def reset(self):
        self.state = [random.uniform(-0.05, 0.05) for _ in range(4)]
        return list(self.state)

    def step(self, action):
        x, v, angle, w = self.state
        push = 10.0 if action else -10.0
        cos, sin = math.cos(angle), math.sin(angle)
        temp = (push + 0.05 * w * w * sin) / 1.1
        turn = (9.8 * sin - cos * temp) / (0.5 * (4 / 3 - 0.1 * cos * cos / 1.1))
        move = temp - 0.05 * turn * cos / 1.1
        self.state = [x + 0.02 * v, v + 0.02 * move, angle + 0.02 * w, w + 0.02 * turn]
        return list(self.state), abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095


random.seed(8)
torch.manual_seed(8)
policy = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(policy).requires_grad_(False)
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
criterion = nn.SmoothL1Loss()
memory, env, state, length = deque(maxlen=500), CartPole(), None, 0
for step in range(240):
    if state is None:
        state, length = env.reset(), 0
    if random.random() < max(0.1, 1 - step / 150):
        action = random.randrange(2)
    else:
        with torch.no_grad():
            action = int(policy(torch.tensor(state)).argmax())
    after, done = env.step(action)
    memory.append((state, action, -1.0 if done else 0.1, after, done))
    state, length = None if done else after, length + 1
    if len(memory) < 32:
        continue
    states, actions, rewards, afters, dones = zip(*random.sample(memory, 32))
    values = policy(torch.tensor(states)).gather(1, torch.tensor(actions).unsqueeze(1)).squeeze(1)
    best = target(torch.tensor(afters)).max(1).values
    wanted = torch.tensor(rewards) + 0.95 * best * ~torch.tensor(dones)
    loss = criterion(values, wanted)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy.parameters(), 1.0)
    optimizer.step()
    if step % 10 == 0:
        target.load_state_dict(policy.state_dict())
        print(f"step {step} loss {loss.item():.7f} length {length}")
