/**
 * DiffCLIP in jax-js on its WebAssembly device, compiled by its `jit`, as a server of the benchmark's protocol. Only the
 * training step, and only differential attention in both towers. Arrays are reference-counted: a use that is not the last
 * is `.ref`.
 */
import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, valueAndGrad } from "@jax-js/jax"
import process from "node:process"
import { float32Tensor } from "../../../lib/checkpoint/index.ts"
import type { ClipConfig, TowerConfig } from "../../../lib/models/index.ts"
import { lambdaInitOf } from "../../../lib/models/index.ts"
import { openTensorsAt, writeTensors } from "./files.ts"
import { type Answer, type Request, serve } from "./protocol.ts"

type Tensor = np.Array

const VERSION = "0.1.25"

/** Parameters by name; each `get` is a reference more. */
type Get = (name: string) => Tensor

const linear = (x: Tensor, weight: Tensor, bias: Tensor): Tensor =>
  np.add(np.matmul(x, np.transpose(weight, [1, 0])), bias)

const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor): Tensor => {
  const centred = np.subtract(x.ref, np.mean(x, -1, { keepdims: true }))
  const variance = np.mean(np.square(centred.ref), -1, { keepdims: true })
  return np.add(np.multiply(np.divide(centred, np.sqrt(np.add(variance, 1e-5))), weight), bias)
}

const attention = (get: Get, at: string, x: Tensor, tower: TowerConfig, start: number, mask: Tensor | undefined) => {
  const [b = 0, n = 0, d = 0] = x.shape
  const [heads, width] = [tower.numHeads, d / tower.numHeads]
  const project = (name: string, input: Tensor): Tensor =>
    linear(input, get(`${at}.${name}.weight`), get(`${at}.${name}.bias`))
  const split = (y: Tensor, count: number): Tensor =>
    np.transpose(np.reshape(y, [b, n, count, d / count]), [0, 2, 1, 3])
  const q = np.multiply(split(project("q_proj", x.ref), heads), width ** -0.5)
  const k = split(project("k_proj", x.ref), heads)
  const v = split(project("v_proj", x), heads / 2)
  const scores = np.matmul(q, np.transpose(k, [0, 1, 3, 2])) // [B, H, N, N]
  const maps = np.reshape(nn.softmax(mask === undefined ? scores : np.add(scores, mask), -1), [b, heads / 2, 2, n, n])
  const [first, second] = np.split(maps, 2, 2).map((map) => np.reshape(map, [b, heads / 2, n, n]))
  if (first === undefined || second === undefined) throw new Error("expected two maps")
  const part = (i: 1 | 2): Tensor => np.exp(np.sum(np.multiply(get(`${at}.lambda_q${i}`), get(`${at}.lambda_k${i}`))))
  const lambda = np.add(np.subtract(part(1), part(2)), start)
  const out = np.matmul(np.subtract(first, np.multiply(lambda, second)), v) // [B, H / 2, N, 2 Dh]
  const root = np.sqrt(np.add(np.mean(np.square(out.ref), -1, { keepdims: true }), 1e-5))
  const normed = np.multiply(np.multiply(np.divide(out, root), get(`${at}.diff_norm.weight`)), 1 - start)
  return project("out_proj", np.reshape(np.transpose(normed, [0, 2, 1, 3]), [b, n, d]))
}

const gelu = (x: Tensor): Tensor =>
  np.multiply(np.multiply(x.ref, 0.5), np.add(lax.erf(np.multiply(x, Math.SQRT1_2)), 1))
const quickGelu = (x: Tensor): Tensor => np.multiply(x.ref, nn.sigmoid(np.multiply(x, 1.702)))

const norm = (get: Get, name: string, x: Tensor): Tensor => layerNorm(x, get(`${name}.weight`), get(`${name}.bias`))

const block = (
  get: Get,
  at: string,
  [norm1, fc1, norm2, fc2]: readonly [string, string, string, string],
  activation: (x: Tensor) => Tensor,
  attend: (x: Tensor) => Tensor,
  x: Tensor
): Tensor => {
  const attended = np.add(x.ref, attend(norm(get, `${at}.${norm1}`, x)))
  const layer = (name: string, y: Tensor): Tensor =>
    linear(y, get(`${at}.mlp.${name}.weight`), get(`${at}.mlp.${name}.bias`))
  const hidden = activation(layer(fc1, norm(get, `${at}.${norm2}`, attended.ref)))
  return np.add(attended, layer(fc2, hidden))
}

/** What a batch is here: pictures, ids, where each caption ends (one-hot), the mask and the labels (one-hot). */
interface Batch {
  readonly images: Tensor
  readonly tokens: Tensor
  readonly ends: Tensor
  readonly mask: Tensor
  readonly labels: Tensor
}

const encodeImage = (c: ClipConfig, get: Get, images: Tensor): Tensor => {
  const [b = 0] = images.shape
  const [p, side, d] = [c.patchSize, c.imageSize / c.patchSize, c.vision.width]
  const patches = np.transpose(np.reshape(images, [b, 3, side, p, side, p]), [0, 2, 4, 1, 3, 5])
  const rows = np.reshape(patches, [b, side * side, 3 * p * p])
  const kernel = np.reshape(get("visual.patch_embed.proj.weight"), [d, 3 * p * p])
  const embedded = linear(rows, kernel, get("visual.patch_embed.proj.bias"))
  const cls = np.broadcastTo(get("visual.cls_token"), [b, 1, d])
  let x = np.add(np.concatenate([cls, embedded], 1), get("visual.pos_embed"))
  for (let i = 0; i < c.vision.layers; i++) {
    const at = `visual.blocks.${i}`
    const start = lambdaInitOf(c.lambdaInit, i)
    const attend = (y: Tensor): Tensor => attention(get, `${at}.attn`, y, c.vision, start, undefined)
    x = block(get, at, ["norm1", "fc1", "norm2", "fc2"], gelu, attend, x)
  }
  const [first, rest] = np.split(x, [1], 1)
  if (first === undefined || rest === undefined) throw new Error("expected a class token")
  rest.dispose()
  return np.matmul(norm(get, "visual.norm", np.reshape(first, [b, d])), get("image_projection"))
}

const encodeText = (
  c: ClipConfig,
  get: Get,
  { tokens, ends, mask }: Pick<Batch, "tokens" | "ends" | "mask">
): Tensor => {
  let x = np.add(np.take(get("token_embedding.weight"), tokens, 0), get("positional_embedding"))
  for (let i = 0; i < c.text.layers; i++) {
    const at = `transformer.resblocks.${i}`
    const start = lambdaInitOf(c.lambdaInit, i)
    const attend = (y: Tensor): Tensor => attention(get, `${at}.attn`, y, c.text, start, mask.ref)
    x = block(get, at, ["ln_1", "c_fc", "ln_2", "c_proj"], quickGelu, attend, x)
  }
  mask.dispose()
  const pooled = np.sum(np.multiply(norm(get, "ln_final", x), ends), 1) // [B, L, D] x [B, L, 1] -> [B, D]
  return np.matmul(pooled, get("text_projection"))
}

const l2 = (x: Tensor): Tensor => np.divide(x.ref, np.sqrt(np.sum(np.square(x), -1, { keepdims: true })))

const crossEntropy = (logits: Tensor, labels: Tensor): Tensor =>
  np.negative(np.mean(np.sum(np.multiply(nn.logSoftmax(logits, -1), labels), -1)))

const makeLoss = (c: ClipConfig, names: ReadonlyArray<string>) => {
  const index = new Map(names.map((name, i) => [name, i]))
  return (params: Array<Tensor>, images: Tensor, tokens: Tensor, ends: Tensor, mask: Tensor, labels: Tensor) => {
    const get: Get = (name) => {
      const found = params[index.get(name) ?? -1]
      if (found === undefined) throw new Error(`no parameter ${name}`)
      return found.ref
    }
    const image = encodeImage(c, get, images)
    const text = encodeText(c, get, { tokens, ends, mask })
    const scaled = np.multiply(l2(image.ref), np.exp(get("logit_scale")))
    const logits = np.matmul(scaled, np.transpose(l2(text.ref), [1, 0]))
    const rows = crossEntropy(logits.ref, labels.ref)
    const loss = np.multiply(np.add(rows, crossEntropy(np.transpose(logits, [1, 0]), labels)), 0.5)
    for (const parameter of params) parameter.dispose()
    const aux: [Tensor, Tensor] = [image, text]
    const out: [Tensor, [Tensor, Tensor]] = [loss, aux]
    return out
  }
}

const [BETA1, BETA2, EPS, DECAY, RATE] = [0.9, 0.98, 1e-8, 0.5, 1e-6]

/** AdamW of one parameter; `c1` and `c2` are 1 - beta^t. */
const update = (p: Tensor, g: Tensor, m: Tensor, v: Tensor, c1: Tensor, c2: Tensor): [Tensor, Tensor, Tensor] => {
  const decay = p.shape.length >= 2 ? 1 - RATE * DECAY : 1
  const mean = np.add(np.multiply(m, BETA1), np.multiply(g.ref, 1 - BETA1))
  const square = np.add(np.multiply(v, BETA2), np.multiply(np.square(g), 1 - BETA2))
  const root = np.add(np.sqrt(np.divide(square.ref, c2)), EPS)
  const direction = np.divide(np.divide(mean.ref, c1), root)
  return [np.subtract(np.multiply(p, decay), np.multiply(direction, RATE)), mean, square]
}

const load = (c: ClipConfig, weights: string) => {
  const reader = openTensorsAt(weights)
  const names = [...reader.entries.keys()]
  const made = (numbers: Float32Array<ArrayBuffer>, shape: ReadonlyArray<number>): Tensor =>
    np.array(numbers, { shape: [...shape], dtype: np.float32 })
  let params = names.map((name) => made(new Float32Array(reader.floats(name)), reader.entries.get(name)?.shape ?? []))
  reader.close()
  let [m, v] = [params, params].map((all) => all.map((p) => np.zeros(p.shape)))
  let t = 0
  let batch: Batch | undefined
  const both = valueAndGrad(makeLoss(c, names), { hasAux: true })
  const gradients = jit(both)
  const updates = jit(
    (p: Array<Tensor>, g: Array<Tensor>, m: Array<Tensor>, v: Array<Tensor>, c1: Tensor, c2: Tensor) => {
      const out = p.map((parameter, i) => {
        const [gi, mi, vi] = [g[i], m[i], v[i]]
        if (gi === undefined || mi === undefined || vi === undefined) throw new Error("expected a gradient and moments")
        return update(parameter, gi, mi, vi, c1.ref, c2.ref)
      })
      for (const correction of [c1, c2]) correction.dispose()
      return [0, 1, 2].map((j) => out.map((triple) => triple[j] ?? triple[0]))
    }
  )
  const run = () => {
    if (batch === undefined) throw new Error("expected inputs first")
    const { images, tokens, ends, mask, labels } = batch
    return gradients(params.map((p) => p.ref), images.ref, tokens.ref, ends.ref, mask.ref, labels.ref)
  }
  return {
    inputs: (file: string): void => {
      const stored = openTensorsAt(file)
      const [b = 0, l = 0] = stored.entries.get("tokens")?.shape ?? []
      const ids = new Int32Array(stored.integers("tokens"))
      const ends = new Float32Array(b * l)
      for (let i = 0; i < b; i++) {
        const row = ids.subarray(i * l, (i + 1) * l)
        ends[i * l + row.indexOf(Math.max(...row))] = 1
      }
      const causal = Float32Array.from({ length: l * l }, (_, i) => i % l > Math.floor(i / l) ? -1e30 : 0)
      batch = {
        images: made(new Float32Array(stored.floats("images")), [b, 3, c.imageSize, c.imageSize]),
        tokens: np.array(ids, { shape: [b, l], dtype: np.int32 }),
        ends: made(ends, [b, l, 1]),
        mask: made(causal, [l, l]),
        labels: np.eye(b)
      }
      stored.close()
    },
    check: async (wanted: ReadonlyArray<string>, file: string): Promise<void> => {
      const [[loss, [image, text]], grads] = run()
      const found: Array<readonly [string, Tensor]> = [["image_embed", image], ["text_embed", text], ["loss", loss]]
      grads.forEach((grad: Tensor, i: number) => {
        const name = names[i] ?? ""
        if (wanted.includes(name)) found.push([`grad ${name}`, grad])
        else grad.dispose()
      })
      const tensors = []
      for (const [name, array] of found) {
        const shape = [...array.shape]
        tensors.push(float32Tensor(name, shape, Float32Array.from(await array.data())))
      }
      writeTensors(file, tensors)
    },
    step: async (): Promise<void> => {
      t += 1
      const [[loss, [image, text]], grads] = run()
      for (const embedding of [image, text]) embedding.dispose()
      const corrections = [1 - BETA1 ** t, 1 - BETA2 ** t].map((x) => np.array(x, { dtype: np.float32 }))
      const [c1, c2] = corrections
      if (c1 === undefined || c2 === undefined || m === undefined || v === undefined) {
        throw new Error("expected moments")
      }
      const [p = [], mean = [], square = []] = updates(params, grads, m, v, c1, c2)
      ;[params, m, v] = [p, mean, square]
      await blockUntilReady(params)
      await loss.data()
    }
  }
}

let model: ReturnType<typeof load> | undefined

const loaded = (): ReturnType<typeof load> => {
  if (model === undefined) throw new Error("expected a model first")
  return model
}

const answer = async (request: Request): Promise<Answer> => {
  switch (request.do) {
    case "load": {
      if (request.model.kind !== "diffClip") throw new Error("this program has differential attention only")
      const devices = await init("wasm")
      if (!devices.includes("wasm")) throw new Error(`jax-js has no wasm device here, only ${devices.join(", ")}`)
      defaultDevice("wasm")
      model = load(request.model, request.weights)
      return { engine: `jax-js ${VERSION}, wasm`, version: `jax-js ${VERSION} wasm` }
    }
    case "inputs":
      loaded().inputs(request.file)
      return {}
    case "check":
      await loaded().check(request.names, request.file)
      return {}
    case "time": {
      if (request.what !== "train-step") throw new Error(`${request.what} is not measured here`)
      const start = performance.now()
      await loaded().step()
      return { seconds: (performance.now() - start) / 1000 }
    }
    case "memory":
      return { peakBytes: process.resourceUsage().maxRSS * 1024 }
    case "gemm":
    case "attention":
      throw new Error(`${request.do} is not measured here`)
  }
}

await serve(answer)
process.exit(0)
