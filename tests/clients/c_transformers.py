"""transformers: GPT-2, BERT, Llama, T5, ViT and Mistral at tiny configurations: three steps of
training, then generated tokens. Arguments: names of models."""

import sys

import torch
import transformers as t

SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)


def words(count=64):
    return torch.randint(3, count, (2, 12))


def gpt2():
    config = t.GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    return t.GPT2LMHeadModel(config), True


def llama():
    config = t.LlamaConfig(vocab_size=64, num_key_value_heads=2, **SMALL)
    return t.LlamaForCausalLM(config), True


def mistral():
    config = t.MistralConfig(vocab_size=64, num_key_value_heads=2, sliding_window=8, **SMALL)
    return t.MistralForCausalLM(config), True


def bert():
    return t.BertForMaskedLM(t.BertConfig(vocab_size=64, **SMALL)), False


def t5():
    config = t.T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, pad_token_id=0,
        decoder_start_token_id=0,
    )
    return t.T5ForConditionalGeneration(config), True


def vit():
    config = t.ViTConfig(image_size=32, patch_size=8, num_labels=5, **SMALL)
    return t.ViTForImageClassification(config), False


for make in [globals()[name] for name in sys.argv[1:]] or [gpt2, bert, llama, t5, vit, mistral]:
    t.set_seed(0)
    try:
        model, generates = make()
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        schedule = t.get_linear_schedule_with_warmup(optimizer, 1, 10)
        if make is vit:
            batch = {"pixel_values": torch.randn(2, 3, 32, 32), "labels": torch.tensor([1, 4])}
        else:
            ids = words()
            batch = {"input_ids": ids, "labels": ids.clone()}
            batch["attention_mask"] = torch.ones_like(ids)
        for step in range(3):
            loss = model(**batch).loss
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            print(make.__name__, step, loss.item(), norm.item(), flush=True)
        model.eval()
        if generates:
            ids = batch["input_ids"][:, :5]
            greedy = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)
            print(make.__name__, "greedy", greedy.tolist(), flush=True)
            torch.manual_seed(1)
            drawn = model.generate(ids, max_new_tokens=8, do_sample=True, top_k=20, pad_token_id=0)
            print(make.__name__, "drawn", drawn.tolist(), flush=True)
    except Exception as error:
        reason = str(error).splitlines()[:1]
        print(make.__name__, "fails:", type(error).__name__, reason, flush=True)
