"""x-transformers: decoders with several options: losses, gradients, generated tokens."""

import torch
from x_transformers import AutoregressiveWrapper, Decoder, Encoder, TransformerWrapper

OPTIONS = {
    "plain": {},
    "rotary": dict(rotary_pos_emb=True),
    "alibi": dict(alibi_pos_bias=True, alibi_num_heads=2),
    "glu": dict(ff_glu=True, use_rmsnorm=True),
    "relative": dict(rel_pos_bias=True),
    "norm": dict(attn_qk_norm=True, sandwich_norm=True),
    "flash": dict(attn_flash=True),
}

for name, options in OPTIONS.items():
    torch.manual_seed(0)
    try:
        layers = Decoder(dim=32, depth=2, heads=4, attn_dim_head=8, ff_dropout=0.1, **options)
        net = AutoregressiveWrapper(
            TransformerWrapper(num_tokens=50, max_seq_len=32, attn_layers=layers)
        )
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        x = torch.randint(50, (2, 17))
        losses = []
        for _ in range(3):
            loss = net(x)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        print(name, *losses, flush=True)
        torch.manual_seed(1)
        print(name, net.generate(x[:, :4], 8).tolist(), flush=True)
    except Exception as error:
        print(name, "fails:", type(error).__name__, str(error).splitlines()[:1], flush=True)

torch.manual_seed(0)
layers = Encoder(dim=32, depth=2, heads=4, attn_dim_head=8)
encoder = TransformerWrapper(num_tokens=50, max_seq_len=32, attn_layers=layers)
mask = torch.arange(16)[None] < torch.tensor([[16], [9]])
print("encoder", encoder(torch.randint(50, (2, 16)), mask=mask).pow(2).mean().item())
