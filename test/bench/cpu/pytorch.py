"""
The peer: CLIP and DiffCLIP in plain PyTorch, float32 on the CPU, as a server. One JSON object a line comes in, one goes
out. Attention keeps its maps as the published code does; module names are those of the official state dict.
  {"do": "load", "model": {...}, "weights": FILE, "threads": N}   weights from safetensors, read here without a package
  {"do": "inputs", "file": FILE}                                  images [B, 3, S, S] F32, tokens [B, L] I32
  {"do": "check", "names": [...], "file": FILE}                   embeddings, loss, these gradients into safetensors
  {"do": "time", "what": "train-step" | "encode-image" | "encode-text"} -> seconds
  {"do": "memory"} -> the process's largest resident size so far, in bytes
A failure is answered as {"error": "..."}. Needs python3-torch; nothing else.
"""
import ctypes
import json
import math
import re
import resource
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

DTYPES = {"F32": np.float32, "I32": np.int32}


def read_safetensors(path):
    """Name to tensor; the file is mapped, each tensor is a copy."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            array = np.array(data[begin:end]).view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
            out[name] = torch.from_numpy(array)
    return out


def write_safetensors(path, tensors):
    """Float32 tensors by name."""
    arrays = {name: t.detach().contiguous().numpy().astype(np.float32) for name, t in tensors.items()}
    header, begin = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.tobytes())


class DiffAttention(nn.Module):
    """Two softmax maps a head, the second times lambda subtracted from the first (REFERENCE 2.3)."""

    def __init__(self, width, num_heads, lambda_init):
        super().__init__()
        self.heads, self.head_dim, self.lambda_init = num_heads, width // num_heads, lambda_init
        for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
            setattr(self, name, nn.Parameter(torch.zeros(self.head_dim)))
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.diff_norm = nn.Module()
        self.diff_norm.weight = nn.Parameter(torch.ones(2 * self.head_dim))

    def forward(self, x, mask):
        b, n, d = x.shape
        half = self.heads // 2
        q = self.q_proj(x).view(b, n, self.heads, self.head_dim).transpose(1, 2) * self.head_dim**-0.5
        k = self.k_proj(x).view(b, n, self.heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(b, n, half, 2 * self.head_dim).transpose(1, 2)
        scores = torch.matmul(q, k.transpose(-1, -2))
        if mask is not None:
            scores = scores + mask
        maps = torch.softmax(scores, dim=-1).view(b, half, 2, n, n)
        first = torch.exp(torch.sum(self.lambda_q1 * self.lambda_k1))
        second = torch.exp(torch.sum(self.lambda_q2 * self.lambda_k2))
        out = torch.matmul(maps[:, :, 0] - (first - second + self.lambda_init) * maps[:, :, 1], v)
        out = out * torch.rsqrt(out.pow(2).mean(-1, keepdim=True) + 1e-5) * self.diff_norm.weight
        out = out * (1 - self.lambda_init)
        return self.out_proj(out.transpose(1, 2).reshape(b, n, d))


class PlainAttention(nn.Module):
    """Ordinary attention with one packed projection."""

    def __init__(self, width, num_heads):
        super().__init__()
        self.heads = num_heads

    def attend(self, packed, mask):
        b, n, d3 = packed.shape
        q, k, v = packed.view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
        if mask is not None:
            scores = scores + mask
        return torch.matmul(torch.softmax(scores, dim=-1), v).transpose(1, 2).reshape(b, n, d3 // 3)


class VisionAttention(PlainAttention):
    def __init__(self, width, num_heads):
        super().__init__(width, num_heads)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask):
        return self.proj(self.attend(self.qkv(x), mask))


class TextAttention(PlainAttention):
    def __init__(self, width, num_heads):
        super().__init__(width, num_heads)
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, mask):
        return self.out_proj(self.attend(F.linear(x, self.in_proj_weight, self.in_proj_bias), mask))


class VisionBlock(nn.Module):
    def __init__(self, width, attn, eps):
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(width, eps), attn, nn.LayerNorm(width, eps)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x), None)
        return x + self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class TextBlock(nn.Module):
    def __init__(self, width, attn):
        super().__init__()
        self.attn, self.ln_1, self.ln_2 = attn, nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.c_fc, self.mlp.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask):
        x = x + self.attn(self.ln_1(x), mask)
        hidden = self.mlp.c_fc(self.ln_2(x))
        return x + self.mlp.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class Clip(nn.Module):
    def __init__(self, c):
        super().__init__()
        vision, text, kind = c["vision"], c["text"], c["kind"]
        dv, dt = vision["width"], text["width"]

        def differential(tower, layer):
            start = c["lambdaInit"]
            start = 0.8 - 0.6 * math.exp(-0.3 * layer) if start == "depth" else start
            return DiffAttention(tower["width"], tower["numHeads"], start)

        def vision_block(i):
            if kind == "clip":
                return VisionBlock(dv, VisionAttention(dv, vision["numHeads"]), 1e-6)
            return VisionBlock(dv, differential(vision, i), 1e-5)

        def text_block(i):
            is_plain = kind in ("clip", "diffClipVision")
            return TextBlock(dt, TextAttention(dt, text["numHeads"]) if is_plain else differential(text, i))

        num_tokens = 1 + (c["imageSize"] // c["patchSize"]) ** 2
        self.positional_embedding = nn.Parameter(torch.zeros(c["contextLength"], dt))
        self.image_projection = nn.Parameter(torch.zeros(dv, c["embedDim"]))
        self.text_projection = nn.Parameter(torch.zeros(dt, c["embedDim"]))
        self.logit_scale = nn.Parameter(torch.zeros([]))
        self.visual = nn.Module()
        self.visual.cls_token = nn.Parameter(torch.zeros(1, 1, dv))
        self.visual.pos_embed = nn.Parameter(torch.zeros(1, num_tokens, dv))
        self.visual.patch_embed = nn.Module()
        self.visual.patch_embed.proj = nn.Conv2d(3, dv, c["patchSize"], c["patchSize"])
        self.visual.blocks = nn.ModuleList(vision_block(i) for i in range(vision["layers"]))
        self.visual.norm = nn.LayerNorm(dv, 1e-6 if kind == "clip" else 1e-5)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(text_block(i) for i in range(text["layers"]))
        self.token_embedding = nn.Embedding(c["vocabSize"], dt)
        self.ln_final = nn.LayerNorm(dt)
        self.mask = torch.full((c["contextLength"], c["contextLength"]), float("-inf")).triu_(1)

    def encode_image(self, images):
        x = self.visual.patch_embed.proj(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.visual.cls_token.expand(len(x), -1, -1), x), 1) + self.visual.pos_embed
        for block in self.visual.blocks:
            x = block(x)
        return self.visual.norm(x)[:, 0] @ self.image_projection

    def encode_text(self, tokens):
        x = self.token_embedding(tokens) + self.positional_embedding
        for block in self.transformer.resblocks:
            x = block(x, self.mask)
        x = self.ln_final(x)
        return x[torch.arange(len(x), device=x.device), tokens.argmax(-1)] @ self.text_projection

    def loss(self, images, tokens):
        """Image and text embeddings, and the symmetric contrastive loss with its exact gradient."""
        image, text = self.encode_image(images), self.encode_text(tokens)
        logits = self.logit_scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
        labels = torch.arange(len(images), device=image.device)
        return image, text, (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def blas():
    """The BLAS library that is mapped into this process, and what OpenBLAS says of itself."""
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    with open("/proc/self/maps") as maps:
        paths = sorted({line.split()[-1] for line in maps if re.search(r"blas|mkl_rt", line.split()[-1])})
    for path in paths:
        try:
            library = ctypes.CDLL(path)
            library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
            config, core = (f().decode().strip() for f in (library.openblas_get_config, library.openblas_get_corename))
            return paths, library, f"{' '.join(config.split()[:2])} ({core})"
        except (OSError, AttributeError):
            continue
    return paths, None, "unknown"


class Server:
    def load(self, model, weights, threads):
        torch.set_num_threads(threads)
        paths, library, config = blas()
        if library is not None:
            library.openblas_set_num_threads(threads)
        self.model = Clip(model)
        state = read_safetensors(weights)
        self.model.load_state_dict(state, strict=True)
        del state
        named = list(self.model.named_parameters())
        is_free = lambda name, p: p.ndim < 2 or "bias" in name or "ln" in name or "bn" in name
        groups = [
            {"params": [p for name, p in named if not is_free(name, p)], "weight_decay": 0.5},
            {"params": [p for name, p in named if is_free(name, p)], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-6, betas=(0.9, 0.98), eps=1e-8)
        # Debian's build calls itself 1.13.0a0; the sources that it was made from stand in its compiler's flags.
        sources = re.search(r"/pytorch-([\d.]+[^=\s]*)=", torch.__config__.show())
        version = f"torch {sources[1] if sources else torch.__version__} on {config}"
        return {"engine": f"{version}, {torch.get_num_threads()} threads", "version": version, "blas": paths}

    def inputs(self, file):
        tensors = read_safetensors(file)
        self.images, self.tokens = tensors["images"], tensors["tokens"].long()
        return {}

    def check(self, names, file):
        image, text, loss = self.model.loss(self.images, self.tokens)
        loss.backward()
        parameters = dict(self.model.named_parameters())
        gradients = {f"grad {name}": parameters[name].grad for name in names}
        write_safetensors(file, {"image_embed": image, "text_embed": text, "loss": loss.reshape(1), **gradients})
        self.optimizer.zero_grad(set_to_none=True)
        return {}

    def train_step(self):
        _, _, loss = self.model.loss(self.images, self.tokens)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, 4.6052)
        return loss.item()

    def time(self, what):
        start = time.perf_counter()
        if what == "train-step":
            self.train_step()
        elif what == "encode-image":
            with torch.no_grad():
                self.model.encode_image(self.images)
        elif what == "encode-text":
            with torch.no_grad():
                self.model.encode_text(self.tokens)
        else:
            raise ValueError(f"nothing is called {what}")
        return {"seconds": time.perf_counter() - start}

    def memory(self):
        return {"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main():
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(server, request.pop("do"))(**request)
        except Exception as error:  # the driver is told, whatever it was
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
