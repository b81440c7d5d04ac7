/** The parts of a step: products, attention, norms, activations, the optimizer's update. */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { makeDiffClip } from "../../../lib/models/index.ts"
import { specsOf } from "../../../lib/nn/index.ts"
import * as ops from "../../../lib/ops/index.ts"
import {
  disposeParams,
  fold,
  keyOf,
  normal,
  type Params,
  sizeOf,
  type Value,
  value,
  vjp
} from "../../../lib/tensor/index.ts"
import type { Case } from "./measure.ts"
import type { AttentionSize, Sizes } from "./sizes.ts"

/** Standard normal numbers, 2^16 of them over and over: their distribution matters here, not each of them. */
const block = normal(fold(keyOf(1), "bench"), 2 ** 16, 1)

/** A tensor of such numbers times `factor`, the caller's. */
export const filled = (shape: ReadonlyArray<number>, factor = 1): Tensor => {
  const size = sizeOf(shape)
  const numbers = new Float32Array(size)
  for (let at = 0; at < size; at += block.length) {
    numbers.set(size - at < block.length ? block.subarray(0, size - at) : block, at)
  }
  return tf.tidy(() => tf.keep(tf.mul(tf.tensor(numbers, [...shape]), factor)))
}

/** The three products of a linear layer: y = x W^T, dx = dy W, dW = dy^T x. */
const gemmCases = ({ gemmRows: rows, layers }: Sizes): ReadonlyArray<Case> =>
  layers.flatMap(([inputs, outputs]) =>
    ([
      ["NT", [rows, inputs], [outputs, inputs], false, true],
      ["NN", [rows, outputs], [outputs, inputs], false, false],
      ["TN", [rows, outputs], [rows, inputs], true, false]
    ] as const).map(([kind, left, right, transposeA, transposeB]): Case => ({
      name: "gemm",
      shape: `${kind} of a linear layer ${inputs} to ${outputs}, ${rows} rows: [${left}] and [${right}]`,
      flops: 2 * rows * inputs * outputs,
      torch: { what: "gemm", left: [...left], right: [...right], transposeA, transposeB },
      make: () => {
        const [a, b] = [filled(left), filled(right)]
        return { work: () => void tf.matMul(a, b, transposeA, transposeB), dispose: () => tf.dispose([a, b]) }
      }
    }))
  )

/** Forward, or forward and backward, of what `forward` records. */
export const vjpWork = <P extends Params>(
  params: P,
  forward: (p: P) => Value,
  pass: "forward" | "both"
): () => void => {
  let seed: Tensor | undefined
  return () => {
    if (pass === "forward") return void forward(params)
    const { outputs, pullback } = vjp(params, (p) => ({ y: forward(p) }))
    seed ??= filled(outputs.y.tensor.shape)
    disposeParams(pullback({ y: seed }))
    outputs.y.tensor.dispose()
  }
}

const inputs = (batch: number, tokens: number, width: number): Value => value(filled([batch, tokens, width]))

/** 2 H maps of scores, Dh deep, and He products of them with values of 2 Dh; backward has five such products for two. */
const attentionFlops = ({ batch, tokens }: AttentionSize, width: number): number => 4 * batch * tokens ** 2 * width

const attentionCases = ({ attention, width, numHeads }: Sizes): ReadonlyArray<Case> =>
  attention.flatMap((size) =>
    (["forward", "both"] as const).map((pass): Case => ({
      name: pass === "forward" ? "attention-forward" : "attention-forward-backward",
      shape: `differential, [${size.batch}, ${size.tokens}, ${width}], ${numHeads} heads, mask ${size.mask}`,
      flops: (pass === "forward" ? 1 : 3) * attentionFlops(size, width),
      torch: { what: "attention", ...size, width, numHeads, pass },
      make: () => {
        const of = () => inputs(size.batch, size.tokens, width)
        const params = { q: of(), k: of(), v: of(), lambda: value(tf.keep(tf.scalar(0.8))) }
        const options = { numHeads, mask: size.mask }
        return {
          work: vjpWork(params, ({ q, k, v, lambda }) => ops.diffAttention(q, k, v, lambda, options), pass),
          dispose: () => disposeParams(params)
        }
      }
    }))
  )

const rowCases = ({ rows, width }: Sizes): ReadonlyArray<Case> => [{
  name: "layernorm",
  shape: `forward and backward, [${rows}, ${width}]`,
  bytes: 4 * 5 * rows * width, // reads x, writes y; reads x and dy, writes dx
  torch: { what: "layernorm", rows, width },
  make: () => {
    const params = { x: value(filled([rows, width])), w: value(filled([width])), b: value(filled([width])) }
    return {
      work: vjpWork(params, ({ x, w, b }) => ops.layerNorm(x, w, b, 1e-5), "both"),
      dispose: () => disposeParams(params)
    }
  }
}, {
  name: "gelu",
  shape: `forward and backward, [${rows}, ${4 * width}]`,
  bytes: 4 * 5 * rows * 4 * width,
  torch: { what: "gelu", rows, width: 4 * width },
  make: () => {
    const params = { x: value(filled([rows, 4 * width])) }
    return { work: vjpWork(params, ({ x }) => ops.gelu(x), "both"), dispose: () => disposeParams(params) }
  }
}]

const adamWCase = ({ model, modelName }: Sizes): Case => {
  const shapes = specsOf<Params>(makeDiffClip("bench", model).specs).map(({ spec }) => spec.shape)
  const count = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)
  return {
    name: "adamw",
    shape: `${count} parameters in ${shapes.length} tensors of ${modelName}`,
    bytes: 4 * 7 * count, // reads p, g, m, v; writes p, m, v
    torch: { what: "adamw", shapes: shapes.map((shape) => [...shape]) },
    make: () => {
      let parts = shapes.map((shape): ops.AdamWPart => {
        const [p, g, m] = [filled(shape), filled(shape), filled(shape)]
        return { p, g, m, v: tf.keep(tf.fill([...shape], 1)), lr: 1e-3, weightDecay: 0.5 }
      })
      let step = 0
      return {
        work: () => {
          step += 1
          const next = ops.adamWAll(parts, { beta1: 0.9, beta2: 0.98, eps: 1e-8, step })
          parts = parts.map((part, i) => ({ ...part, ...next[i] }))
        },
        dispose: () => {
          for (const { p, g, m, v } of parts) tf.dispose([p, g, m, v])
        }
      }
    }
  }
}

/** All of them. */
export const partCases = (sizes: Sizes): ReadonlyArray<Case> => [
  ...gemmCases(sizes),
  ...attentionCases(sizes),
  ...rowCases(sizes),
  adamWCase(sizes)
]
