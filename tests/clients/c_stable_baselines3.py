"""stable-baselines3: PPO, A2C and DQN learn CartPole; the parameters that they end with."""

import tempfile

import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy

torch.set_num_threads(1)
RUNS = [
    (PPO, dict(n_steps=128, batch_size=64, n_epochs=2), 256),
    (A2C, {}, 200),
    (DQN, dict(learning_starts=50, batch_size=16, target_update_interval=50), 300),
]
for kind, options, steps in RUNS:
    try:
        model = kind("MlpPolicy", "CartPole-v1", seed=0, device="cpu", **options).learn(steps)
        total = sum(p.double().abs().sum() for p in model.policy.parameters())
        print(kind.__name__, "parameters", total.item(), flush=True)
        print(kind.__name__, "reward", *evaluate_policy(model, model.get_env(), 2), flush=True)
        path = tempfile.mkdtemp() + "/model"
        model.save(path)
        again = sum(p.double().abs().sum() for p in kind.load(path).policy.parameters())
        print(kind.__name__, "loaded", again.item(), flush=True)
    except Exception as error:
        reason = str(error).splitlines()[:1]
        print(kind.__name__, "fails:", type(error).__name__, reason, flush=True)
