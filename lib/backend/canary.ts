import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { fold, keyOf, normal, sizeOf, value, vjp } from "../tensor/index.ts"
import { CanaryFailed } from "./errors.ts"

/** A small differentiable program over named inputs; its output and every gradient are compared. */
interface Canary {
  readonly kernel: string
  readonly inputs: Readonly<Record<string, ReadonlyArray<number>>>
  readonly program: (inputs: Readonly<Record<string, Value>>) => Value
}

const of = (inputs: Readonly<Record<string, Value>>, name: string): Value => {
  const found = inputs[name]
  if (found === undefined) throw new Error(`canary: no input ${name}`)
  return found
}

const attentionShapes = { q: [2, 5, 12], k: [2, 5, 12], v: [2, 5, 12] }

/** One per fused operation. Sizes are odd on purpose: tails of vector loops are where kernels go wrong. */
const canaries: ReadonlyArray<Canary> = [
  {
    kernel: "linear",
    inputs: { x: [3, 5, 7], w: [9, 7], b: [9] },
    program: (p) => ops.linear(of(p, "x"), of(p, "w"), of(p, "b"))
  },
  {
    kernel: "layerNorm",
    inputs: { x: [5, 7], gamma: [7], beta: [7] },
    program: (p) => ops.layerNorm(of(p, "x"), of(p, "gamma"), of(p, "beta"), 1e-5)
  },
  {
    kernel: "rmsNorm",
    inputs: { x: [5, 7], gamma: [7] },
    program: (p) => ops.rmsNorm(of(p, "x"), of(p, "gamma"), 1e-5, 0.2)
  },
  { kernel: "gelu", inputs: { x: [5, 7] }, program: (p) => ops.gelu(of(p, "x")) },
  { kernel: "quickGelu", inputs: { x: [5, 7] }, program: (p) => ops.quickGelu(of(p, "x")) },
  { kernel: "softmax", inputs: { x: [2, 5, 5] }, program: (p) => ops.softmax(of(p, "x"), "causal") },
  {
    kernel: "attention",
    inputs: attentionShapes,
    program: (p) => ops.attention(of(p, "q"), of(p, "k"), of(p, "v"), { numHeads: 4, mask: "causal" })
  },
  {
    kernel: "diffAttention",
    inputs: { ...attentionShapes, lambda: [] },
    program: (p) =>
      ops.diffAttention(of(p, "q"), of(p, "k"), of(p, "v"), of(p, "lambda"), { numHeads: 4, mask: "none" })
  },
  {
    kernel: "contrastive",
    inputs: { u: [5, 7], t: [5, 7], scale: [] },
    program: (p) =>
      ops.contrastive(ops.l2Normalize(of(p, "u")), ops.l2Normalize(of(p, "t")), of(p, "scale"), "differentiable").loss
  }
]

/** Relative to max(1, largest expected number): a float32 summation order costs some 1e-6 at these sizes. */
const LIMIT = 2e-5

const measure = ({ inputs, program }: Canary): ReadonlyArray<readonly [string, Float32Array]> => {
  const key = keyOf(7)
  const params = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [
      name,
      value(tf.tensor(normal(fold(key, name), sizeOf(shape), 1), [...shape], "float32"))
    ])
  )
  const { outputs, pullback } = vjp(params, (lifted) => ({ out: program(lifted) }))
  const seed = tf.tensor(normal(fold(key, "seed"), outputs.out.tensor.size, 1), outputs.out.tensor.shape, "float32")
  const grads = pullback({ out: seed })
  const take = (tensor: Tensor): Float32Array => {
    const numbers = Float32Array.from(tensor.dataSync())
    tensor.dispose()
    return numbers
  }
  const results: Array<readonly [string, Float32Array]> = [["out", take(outputs.out.tensor)]]
  for (const [name, grad] of Object.entries(grads)) results.push([`d${name}`, take(grad.tensor)])
  seed.dispose()
  for (const parameter of Object.values(params)) parameter.tensor.dispose()
  return results
}

const errorOf = (found: Float32Array, expected: Float32Array): number => {
  let distance = 0
  let size = 1
  expected.forEach((number, i) => {
    distance = Math.max(distance, Math.abs((found[i] ?? Number.NaN) - number)) // NaN wins in Math.max
    size = Math.max(size, Math.abs(number))
  })
  return distance / size
}

/**
 * Runs each fused operation, forward and backward, on an engine and on stock tfjs (where the definitions run), and
 * refuses the engine where the numbers differ. Both must be registered. Leaves the engine in use.
 */
export const checkCanaries = (tfName: string, reference: string): Effect.Effect<number, CanaryFailed> =>
  Effect.suspend(() => {
    for (const canary of canaries) {
      tf.setBackend(reference)
      const expected = new Map(measure(canary))
      tf.setBackend(tfName)
      for (const [output, found] of measure(canary)) {
        const error = errorOf(found, expected.get(output) ?? new Float32Array())
        if (!(error <= LIMIT)) {
          const { kernel } = canary
          return Effect.fail(
            new CanaryFailed({
              backend: tfName,
              kernel,
              output,
              error,
              limit: LIMIT,
              message: `${tfName}: ${kernel} gives a wrong ${output} (error ${error}, limit ${LIMIT}); ` +
                "the engine is refused. Please report it with the output of `diffclip doctor`"
            })
          )
        }
      }
    }
    return Effect.succeed(canaries.length)
  })
