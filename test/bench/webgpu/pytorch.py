"""
The peer on the same card: PyTorch, eager, in three modes: f32 (TF32 off), tf32, bf16 (tensors in bfloat16; models under
autocast). The model is that of ../cpu/pytorch.py with attention by two calls of scaled_dot_product_attention, where this
torch has it. A server: one JSON object a line comes in, one goes out.
  {"do": "open", "device": "cuda" | "cpu"}                       -> engine, version, modes
  {"do": "prepare", "mode": MODE, "work": {"what": ..., ...}}    -> seconds of a warm turn, peakBytes
  {"do": "time", "mode": MODE, "repeats": N}                     -> seconds of one of N
  {"do": "drop"}                                                 frees what was prepared
A failure is answered as {"error": "..."}.
"""
import importlib.util
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("cpu_pytorch", os.path.join(here, "..", "cpu", "pytorch.py"))
cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu)

has_sdpa = hasattr(F, "scaled_dot_product_attention")


def attend(q, k, v, causal):
    """One softmax map times v; [B, He, N, h] and [B, He, N, 2h]."""
    if has_sdpa:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    if causal:
        n = scores.shape[-1]
        scores = scores + torch.full((n, n), float("-inf"), device=q.device, dtype=q.dtype).triu_(1)
    return torch.matmul(torch.softmax(scores, dim=-1), v)


def differential(q, k, v, factor, heads, causal):
    """q, k, v [B, N, D] -> [B, N, D]: the first map's output minus factor times the second's."""
    b, n, d = q.shape
    q, k = (x.view(b, n, heads // 2, 2, d // heads).permute(3, 0, 2, 1, 4) for x in (q, k))
    v = v.view(b, n, heads // 2, 2 * d // heads).transpose(1, 2)
    out = attend(q[0], k[0], v, causal) - factor * attend(q[1], k[1], v, causal)
    return out.transpose(1, 2).reshape(b, n, d)


def forward(self, x, mask):
    """DiffAttention.forward without stored maps."""
    b, n, d = x.shape
    first = torch.exp(torch.sum(self.lambda_q1 * self.lambda_k1))
    second = torch.exp(torch.sum(self.lambda_q2 * self.lambda_k2))
    factor = (first - second + self.lambda_init).to(x.dtype)
    out = differential(self.q_proj(x), self.k_proj(x), self.v_proj(x), factor, self.heads, mask is not None)
    out = out.view(b, n, self.heads // 2, 2 * self.head_dim)
    out = out * torch.rsqrt(out.pow(2).mean(-1, keepdim=True) + 1e-5) * self.diff_norm.weight
    return self.out_proj((out * (1 - self.lambda_init)).reshape(b, n, d))


cpu.DiffAttention.forward = forward


class Works:
    """Functions without arguments that do a piece of work once."""

    def __init__(self, device):
        self.device = device

    def tensor(self, shape, mode, grad=False):
        dtype = torch.bfloat16 if mode == "bf16" else torch.float32
        return torch.randn(shape, device=self.device).to(dtype).requires_grad_(grad)

    def both(self, run, leaves):
        """Forward and backward; the gradients are thrown away."""
        seed = torch.randn_like(run())

        def work():
            run().backward(seed)
            for leaf in leaves:
                leaf.grad = None

        return work

    def gemm(self, mode, left, right, transposeA, transposeB):
        a, b = self.tensor(left, mode), self.tensor(right, mode)
        a, b = (a.T if transposeA else a), (b.T if transposeB else b)
        return lambda: torch.matmul(a, b)

    def attention(self, mode, batch, tokens, width, numHeads, mask):
        q, k, v = (self.tensor((batch, tokens, width), mode, True) for _ in range(3))
        factor = torch.full((), 0.8, device=self.device, dtype=q.dtype, requires_grad=True)
        run = lambda: differential(q, k, v, factor, numHeads, mask == "causal")
        return run, [q, k, v, factor]

    def layernorm(self, mode, rows, width):
        x, w, b = self.tensor((rows, width), mode, True), self.tensor(width, mode, True), self.tensor(width, mode, True)
        return self.both(lambda: F.layer_norm(x, (width,), w, b), [x, w, b])

    def gelu(self, mode, rows, width):
        x = self.tensor((rows, width), mode, True)
        return self.both(lambda: F.gelu(x), [x])

    def optimizer(self, parameters):
        fused = {"fused": True} if self.device.type == "cuda" and torch.__version__ >= "2" else {}
        return torch.optim.AdamW(parameters, lr=1e-6, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.5, **fused)

    def adamw(self, mode, shapes):
        parameters = [torch.nn.Parameter(torch.randn(shape, device=self.device)) for shape in shapes]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        return self.optimizer(parameters).step

    def autocast(self, mode, run):
        if mode != "bf16":
            return run

        def under():
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                return run()

        return under

    def block(self, mode, batch, tokens, width, numHeads):
        block = cpu.VisionBlock(width, cpu.DiffAttention(width, numHeads, 0.8), 1e-5).to(self.device)
        x = self.tensor((batch, tokens, width), "f32", True)
        return self.both(self.autocast(mode, lambda: block(x)), [x, *block.parameters()])

    def model(self, config):
        model = cpu.Clip(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.02)
        model.mask = model.mask.to(self.device)
        return model.to(self.device)

    def tower(self, mode, model, batch):
        clip, size = self.model(model), model["imageSize"]
        images = torch.randn((batch, 3, size, size), device=self.device)
        return self.both(self.autocast(mode, lambda: clip.encode_image(images)), list(clip.parameters()))

    def train_step(self, mode, model, batch):
        clip, size, length = self.model(model), model["imageSize"], model["contextLength"]
        images = torch.randn((batch, 3, size, size), device=self.device)
        tokens = torch.randint(1, model["vocabSize"] - 1, (batch, length), device=self.device)
        tokens[:, length // 2] = model["vocabSize"] - 1
        optimizer = self.optimizer(clip.parameters())
        loss_of = self.autocast(mode, lambda: clip.loss(images, tokens)[2])

        def work():
            loss_of().backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                clip.logit_scale.clamp_(0, 4.6052)

        return work

    def of(self, mode, what, **sizes):
        if what == "attention":
            turn = sizes.pop("pass")
            run, leaves = self.attention(mode, **sizes)
            return run if turn == "forward" else self.both(run, leaves)
        return getattr(self, what.replace("-", "_"))(mode, **sizes)


class Server:
    def open(self, device):
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError(f"torch {torch.__version__} finds no card: torch.cuda.is_available() is False")
        self.device = torch.device(device)
        self.works, self.ready = Works(self.device), {}
        attention = "scaled_dot_product_attention" if has_sdpa else "attention with stored maps, for it is old"
        name = torch.cuda.get_device_name() if device == "cuda" else f"the CPU, {torch.get_num_threads()} threads"
        return {
            "version": f"torch {torch.__version__} on {name}, {attention}",
            "engine": name,
            "modes": ["f32", "tf32", "bf16"] if device == "cuda" else ["f32", "bf16"],
        }

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def bytes(self, which):
        return getattr(torch.cuda, which)() if self.device.type == "cuda" else 0

    def prepare(self, mode, work):
        before = self.bytes("memory_allocated")
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.ready[mode] = self.works.of(mode, **work)
        self.time(mode, 1)
        said = self.time(mode, 1)
        peak = self.bytes("max_memory_allocated") - before
        return {**said, **({"peakBytes": peak} if self.device.type == "cuda" else {})}

    def time(self, mode, repeats):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"
        work = self.ready[mode]
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        self.wait()
        return {"seconds": (time.perf_counter() - start) / repeats}

    def drop(self):
        self.ready.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return {}


def main():
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(server, request.pop("do"))(**request)
        except Exception as error:  # the driver is told, whatever it was
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
