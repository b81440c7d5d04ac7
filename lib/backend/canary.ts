import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { fold, inPrecision, keyOf, normal, sizeOf, value, vjp } from "../tensor/index.ts"
import type { BackendShape, UnitError } from "./backend.ts"
import { canaryNumbers } from "./canaryNumbers.generated.ts"
import { CanaryFailed } from "./errors.ts"

/** Shapes of normal inputs by name. */
type Inputs = Readonly<Record<string, ReadonlyArray<number>>>

/** A small differentiable program over named inputs; its output and every gradient are compared. */
interface Canary {
  readonly kernel: string
  readonly inputs: Inputs
  readonly program: (inputs: Readonly<Record<string, Value>>) => Value
}

/** A program without gradients: all its outputs are compared. */
interface PlainCanary {
  readonly kernel: string
  readonly inputs: Inputs
  readonly outputs: (inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>
}

const of = <A>(inputs: Readonly<Record<string, A>>, name: string): A => {
  const found = inputs[name]
  if (found === undefined) throw new Error(`canary: no input ${name}`)
  return found
}

const KEY = keyOf(7)
const attentionShapes = { q: [2, 5, 12], k: [2, 5, 12], v: [2, 5, 12] }

/** Enough for every kernel of `kernels` to run. Sizes are odd on purpose: tails of vector loops are where kernels go wrong. */
const canaries: ReadonlyArray<Canary | PlainCanary> = [
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
  {
    kernel: "mlp",
    inputs: { x: [3, 7], w1: [9, 7], b1: [9], w2: [5, 9], b2: [5] },
    program: (p) =>
      ops.mlp(
        of(p, "x"),
        { weight: of(p, "w1"), bias: of(p, "b1") },
        { weight: of(p, "w2"), bias: of(p, "b2") },
        "gelu"
      )
  },
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
  },
  {
    kernel: "contrastive",
    inputs: { u: [5, 7], t: [5, 7], scale: [] },
    program: (p) =>
      ops.contrastive(ops.l2Normalize(of(p, "u")), ops.l2Normalize(of(p, "t")), of(p, "scale"), "constant").loss
  },
  {
    kernel: "attention",
    inputs: { q: [2, 5, 16], k: [2, 5, 16], v: [2, 5, 16] }, // heads of 4: the path of whole vectors
    program: (p) => ops.attention(of(p, "q"), of(p, "k"), of(p, "v"), { numHeads: 4, mask: "none" })
  },
  {
    kernel: "diffAttention",
    inputs: { q: [2, 5, 16], k: [2, 5, 16], v: [2, 5, 16], lambda: [] },
    program: (p) =>
      ops.diffAttention(of(p, "q"), of(p, "k"), of(p, "v"), of(p, "lambda"), { numHeads: 4, mask: "causal" })
  },
  {
    kernel: "contrastive",
    inputs: { u: [5, 7], t: [5, 7], scale: [] },
    outputs: (p) => {
      const [u, t] = [ops.l2Normalize(value(of(p, "u"))), ops.l2Normalize(value(of(p, "t")))]
      return { correct: ops.contrastive(u, t, value(of(p, "scale")), "constant").correct }
    }
  },
  {
    kernel: "gatherRows",
    inputs: { table: [5, 7] },
    // Row 3 comes twice: its gradients add up. Row 1 never comes: its gradient is 0.
    program: (p) => ops.gatherRows(of(p, "table"), tf.tensor2d([3, 0, 4, 3, 2, 0], [2, 3], "int32"))
  },
  {
    kernel: "firstMaxima",
    inputs: { x: [5, 7] },
    outputs: (p) => ({ y: tf.cast(ops.firstMaxima(of(p, "x")), "float32") })
  },
  {
    kernel: "lambda",
    inputs: { q1: [7], k1: [7], q2: [7], k2: [7] },
    program: (p) =>
      ops.lambda(
        ops.mulScalar(of(p, "q1"), 0.3),
        of(p, "k1"),
        ops.mulScalar(of(p, "q2"), 0.3),
        of(p, "k2"),
        0.8
      )
  },
  {
    kernel: "patchify",
    inputs: { images: [2, 3, 9, 9] },
    outputs: (p) => ({ y: ops.patchify(value(of(p, "images")), 3).tensor })
  },
  {
    kernel: "adamW",
    inputs: { p: [5, 7], g: [5, 7], m: [5, 7], v: [5, 7] },
    outputs: (p) => ({
      ...ops.adamW(of(p, "p"), of(p, "g"), of(p, "m"), tf.square(of(p, "v")), {
        lr: 0.5, // large, so that an error of the update is not lost against the parameter
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-3,
        weightDecay: 0.2,
        step: 3
      })
    })
  },
  {
    kernel: "adamWAll",
    inputs: { p: [5, 7], q: [3], g: [5, 7], h: [3] },
    outputs: (p) => {
      const part = (name: string, grad: string, weightDecay: number) => ({
        p: of(p, name),
        g: of(p, grad),
        m: tf.mul(of(p, grad), 0.3),
        v: tf.square(of(p, name)),
        lr: 0.5,
        weightDecay
      })
      const parts = [part("p", "g", 0.2), part("q", "h", 0)]
      const updated = ops.adamWAll(parts, { beta1: 0.9, beta2: 0.98, eps: 1e-3, step: 3 })
      return Object.fromEntries(updated.flatMap((of, i) => Object.entries(of).map(([name, x]) => [`${name}${i}`, x])))
    }
  },
  {
    kernel: "raw",
    inputs: { x: [5, 7], y: [3], z: [5, 7] },
    outputs: (p) => ({
      norm: ops.raw.norm([of(p, "x"), of(p, "y")]),
      clamped: ops.raw.clamp(of(p, "x"), -0.5, 0.7),
      sum: ops.raw.accumulate(of(p, "z"), of(p, "x"))
    })
  },
  {
    kernel: "adamWAllIf",
    inputs: { p: [5, 7], g: [5, 7] },
    outputs: (p) => {
      const part = (grad: Tensor) => ({
        p: tf.clone(of(p, "p")),
        g: grad,
        m: tf.mul(of(p, "g"), 0.3),
        v: tf.square(of(p, "p")),
        lr: 0.5,
        weightDecay: 0.2
      })
      const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-3, step: 3 }
      const flag = (scalar: number): Tensor => ops.raw.finite([tf.scalar(1), tf.scalar(scalar)])
      const [written] = ops.adamWAll([part(of(p, "g"))], shared, flag(2))
      const [kept] = ops.adamWAll([part(tf.mul(of(p, "g"), Number.NaN))], shared, flag(Infinity))
      const selected = ops.raw.select(flag(Number.NaN), of(p, "g"), of(p, "p"))
      return {
        ...(written ?? {}),
        ...Object.fromEntries(Object.entries(kept ?? {}).map(([k, x]) => [`${k}Kept`, x])),
        selected
      }
    }
  },
  {
    kernel: "half",
    // Products of normal numbers alone: what went through an activation may lie on either side of a rounding.
    inputs: { x: [3, 8], w: [12, 8], b: [12] },
    program: (p) => inPrecision("mixed", () => ops.linear(of(p, "x"), of(p, "w"), of(p, "b")))
  },
  {
    kernel: "half",
    inputs: { x: [3, 8], w: [8, 4] },
    program: (p) => inPrecision("mixed", () => ops.matmul(of(p, "x"), of(p, "w")))
  },
  {
    kernel: "mask",
    inputs: { x: [3] },
    // Masks are large negative numbers: exp must make 0 of them and not a NaN; a NaN must stay one, to be noticed.
    outputs: (p) => ({ y: tf.exp(tf.sub(tf.mul(of(p, "x"), 0), tf.tensor1d([1e30, 1e4, 0]))) })
  }
]

/** Relative to max(1, largest expected number): a float32 summation order costs some 1e-6 at these sizes. */
const LIMIT = 2e-5

const normalInputs = (inputs: Inputs): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [
      name,
      tf.tensor(normal(fold(KEY, name), sizeOf(shape), 1), [...shape], "float32")
    ])
  )

/** Tensors that outlive the unit that made them, by the name of the output. */
type Outputs = ReadonlyArray<readonly [output: string, tensor: Tensor]>

const runPlain = ({ inputs, outputs }: PlainCanary): Outputs => Object.entries(outputs(normalInputs(inputs)))

const runGradients = ({ inputs, program }: Canary): Outputs => {
  const params = Object.fromEntries(
    Object.entries(normalInputs(inputs)).map(([name, tensor]) => [name, value(tensor)])
  )
  const { outputs, pullback } = vjp(params, (lifted) => ({ out: program(lifted) }))
  const { tensor } = outputs.out
  const seed = tf.tensor(normal(fold(KEY, "seed"), tensor.size, 1), tensor.shape, "float32")
  const grads = pullback({ out: seed })
  return [["out", tensor], ...Object.entries(grads).map(([name, grad]) => [`d${name}`, grad.tensor] as const)]
}

/** One synchronous unit. */
const runCanary = (canary: Canary | PlainCanary): Outputs => {
  let outputs: Outputs = []
  tf.tidy(() => {
    outputs = "program" in canary ? runGradients(canary) : runPlain(canary)
    for (const [, tensor] of outputs) tf.keep(tensor)
  })
  return outputs
}

/** The numbers of each output. */
export type Measured = ReadonlyArray<readonly [output: string, numbers: Float32Array]>

/** An engine under its name in tfjs. */
export interface CanaryEngine extends Pick<BackendShape, "sync" | "read"> {
  readonly name: string
}

const measure = (engine: CanaryEngine, canary: Canary | PlainCanary): Effect.Effect<Measured, UnitError> =>
  Effect.acquireUseRelease(
    engine.sync(() => runCanary(canary)),
    (outputs) =>
      Effect.forEach(
        outputs,
        ([output, tensor]) => Effect.map(engine.read(tensor), (numbers) => [output, numbers] as const),
        { concurrency: "unbounded" }
      ),
    (outputs) =>
      Effect.sync(() => {
        for (const [, tensor] of outputs) tensor.dispose()
      })
  )

/**
 * The distance relative to max(1, largest expected number); infinite where all numbers are 0 that should not be, since
 * that is how a GPU answers to what it did not do.
 */
const errorOf = (found: Float32Array, expected: Float32Array): number => {
  if (found.length !== expected.length) return Number.NaN
  if (found.every((number) => number === 0) && expected.some((number) => number !== 0)) return Infinity
  let distance = 0
  let size = 1
  expected.forEach((number, i) => {
    distance = Math.max(distance, Math.abs((found[i] ?? Number.NaN) - number)) // NaN wins in Math.max
    size = Math.max(size, Math.abs(number))
  })
  return distance / size
}

/** The outputs of all canaries on an engine, in their order. */
export const measureCanaries = (engine: CanaryEngine): Effect.Effect<ReadonlyArray<Measured>, UnitError> =>
  Effect.forEach(canaries, (canary) => measure(engine, canary))

/** The numbers of a float32 array in base64. */
const decode = (base64: string): Float32Array =>
  new Float32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer)

/**
 * Runs each kernel of `kernels`, so each fused operation forward and backward, on an engine, and refuses the engine where
 * the numbers differ from those of the definitions, which stock tfjs computed (canaryNumbers.generated.ts). The engine
 * must be registered. Leaves it in use.
 */
export const checkCanaries = (engine: CanaryEngine): Effect.Effect<number, CanaryFailed | UnitError> =>
  Effect.gen(function* () {
    for (const [i, canary] of canaries.entries()) {
      for (const [output, found] of yield* measure(engine, canary)) {
        const error = errorOf(found, decode(canaryNumbers[i]?.[output] ?? ""))
        if (error <= LIMIT) continue
        const { kernel } = canary
        return yield* new CanaryFailed({
          backend: engine.name,
          kernel,
          output,
          error,
          limit: LIMIT,
          message: `${engine.name}: ${kernel} gives a wrong ${output} (error ${error}, limit ${LIMIT}); ` +
            "the engine is refused. Please report it with the output of `diffclip doctor`"
        })
      }
    }
    return canaries.length
  })
