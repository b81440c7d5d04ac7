import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { adamWListUpdate, adamWUpdate } from "../../lib/ops/adamW.ts"
import { attentionBackward, attentionForward } from "../../lib/ops/attention.ts"
import { contrastiveBackward, contrastiveForward } from "../../lib/ops/contrastive.ts"
import { diffAttentionBackward, diffAttentionForward } from "../../lib/ops/diffAttention.ts"
import { firstMaximaForward } from "../../lib/ops/firstMaxima.ts"
import { gatherRowsBackward, gatherRowsForward } from "../../lib/ops/gatherRows.ts"
import { geluBackward, geluForward } from "../../lib/ops/gelu.ts"
import type { Attrs, Fused, FusedList } from "../../lib/ops/index.ts"
import { hasKernel, kernels, run, runList } from "../../lib/ops/index.ts"
import { l2NormalizeBackward, l2NormalizeForward } from "../../lib/ops/l2Normalize.ts"
import { lambdaBackward, lambdaForward } from "../../lib/ops/lambda.ts"
import { layerNormBackward, layerNormForward } from "../../lib/ops/layerNorm.ts"
import { linearForward } from "../../lib/ops/matmul.ts"
import { mlpForward, mlpHiddenBackward } from "../../lib/ops/mlp.ts"
import { patchifyForward } from "../../lib/ops/patchify.ts"
import { quickGeluBackward, quickGeluForward } from "../../lib/ops/quickGelu.ts"
import { accumulateForward, clampForward, normForward } from "../../lib/ops/raw.ts"
import { rmsNormBackward, rmsNormForward } from "../../lib/ops/rmsNorm.ts"
import { softmaxBackward, softmaxForward } from "../../lib/ops/softmax.ts"
import { onEngine, runs } from "../engines.ts"
import { errorOf } from "../reference/index.ts"
import { noise, tensorOf } from "./against.ts"

/** Random sizes and numbers of one trial. */
interface Trial {
  readonly rows: number
  readonly cols: number
  readonly tokens: number
  readonly headDim: number
  readonly pairs: number
  readonly isCausal: boolean
  /** Standard deviation of scores and inputs: 1, or 25 for the saturated ends. */
  readonly std: number
  readonly tensor: (name: string, shape: ReadonlyArray<number>, std?: number) => Tensor
}

interface Comparison {
  readonly kernel: string
  readonly compare: (trial: Trial) => void
}

/** Numbers and shapes of some outputs, before a kernel may write into its inputs. */
const read = (outputs: Readonly<Record<string, Tensor>>): ReadonlyArray<readonly [string, Tensor, Float32Array]> =>
  Object.entries(outputs).map(([name, tensor]) => [name, tensor, Float32Array.from(tensor.dataSync())])

/** Kernel and composition of one operation on the inputs that `make` draws; `limit` is of errorOf, per output. */
const comparison = <In extends string, A extends Attrs, Out extends string>(
  fused: Fused<In, A, Out>,
  limit: (trial: Trial) => number,
  make: (trial: Trial) => { readonly inputs: Readonly<Record<In, Tensor>>; readonly attrs: A }
): Comparison => ({
  kernel: fused.name,
  compare: (trial) => {
    const { inputs, attrs } = make(trial)
    const expected = read(fused.compose(inputs, attrs))
    const found = read(run(fused, inputs, attrs))
    expect(found.map(([name]) => name)).toEqual(fused.outputs)
    for (const [name, tensor, numbers] of expected) {
      const [, other, otherNumbers] = found.find(([key]) => key === name) ?? []
      expect(other?.shape, `shape of ${name}`).toEqual(tensor.shape)
      expect(errorOf(otherNumbers ?? [], numbers), name).toBeLessThan(limit(trial))
    }
  }
})

/** The same for an operation on a list; results are compared by place. */
const listComparison = <A extends Attrs>(
  fused: FusedList<A>,
  limit: (trial: Trial) => number,
  make: (trial: Trial) => { readonly inputs: ReadonlyArray<Tensor>; readonly attrs: A }
): Comparison => ({
  kernel: fused.name,
  compare: (trial) => {
    const { inputs, attrs } = make(trial)
    const expected = fused.compose(inputs, attrs).map((x) => [x.shape, Float32Array.from(x.dataSync())] as const)
    const found = runList(fused, inputs, attrs).map((x) => [x.shape, Float32Array.from(x.dataSync())] as const)
    expect(found.map(([shape]) => shape)).toEqual(expected.map(([shape]) => shape))
    expected.forEach(([, numbers], i) =>
      expect(errorOf(found[i]?.[1] ?? [], numbers), `${i}`).toBeLessThan(limit(trial))
    )
  }
})

/** Two float32 sums in different order; saturated scores near 100 carry 1e-5 on. */
const sums = (trial: Trial): number => (trial.std > 1 ? 1e-4 : 1e-5)
const saturating = (trial: Trial): number => (trial.std > 1 ? 5e-3 : 2e-5)
const elementwise = (): number => 2e-6
const exact = (): number => 1e-30

const lambdaVectors = ({ tensor, headDim }: Trial): Readonly<Record<"q1" | "k1" | "q2" | "k2", Tensor>> => ({
  q1: tensor("q1", [headDim], 0.1),
  k1: tensor("k1", [headDim], 0.1),
  q2: tensor("q2", [headDim], 0.1),
  k2: tensor("k2", [headDim], 0.1)
})

const rowsOf = ({ tensor, rows, cols, std }: Trial, name: string): Tensor => tensor(name, [rows, cols], std)

const attentionInputs = ({ tensor, tokens, headDim, pairs, std }: Trial) => {
  const shape = [2, tokens, 2 * pairs * headDim]
  return { q: tensor("q", shape, std), k: tensor("k", shape), v: tensor("v", shape) }
}
const attentionAttrs = ({ pairs, isCausal }: Trial) => ({ numHeads: 2 * pairs, causal: isCausal })

const pairsOf = ({ tensor, rows, cols, std }: Trial) => ({
  u: tensor("u", [rows, cols], cols ** -0.5),
  t: tensor("t", [rows, cols], cols ** -0.5),
  scale: tf.scalar(std > 1 ? 100 : 14)
})

const indicesOf = ({ rows, tokens }: Trial): Tensor =>
  tf.tensor1d(Array.from({ length: tokens }, (_, i) => (i * i + 1) % rows), "int32")

const comparisons: ReadonlyArray<Comparison> = [
  comparison(adamWUpdate, () => 1e-6, ({ tensor, rows, cols }) => ({
    inputs: {
      p: tensor("p", [rows, cols]),
      g: tensor("g", [rows, cols]),
      m: tensor("m", [rows, cols], 0.1),
      v: tf.square(tensor("v", [rows, cols], 0.1))
    },
    attrs: { lr: 5e-4, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.5, step: rows }
  })),
  listComparison(adamWListUpdate, () => 1e-6, ({ tensor, rows, cols, tokens }) => {
    // More tensors than one job takes, of three sizes and under two terms in turn.
    const shapes = Array.from({ length: 25 }, (_, i) => [[rows, cols], [tokens], [1]][i % 3] ?? [])
    return {
      inputs: shapes.flatMap((shape, i) => [
        ...[tensor(`p${i}`, shape), tensor(`g${i}`, shape), tensor(`m${i}`, shape, 0.1)],
        tf.square(tensor(`v${i}`, shape, 0.1))
      ]),
      attrs: {
        ...{ beta1: 0.9, beta2: 0.98, eps: 1e-8, step: rows },
        lr: shapes.map((_, i) => 5e-4 * (1 + i % 2)),
        weightDecay: shapes.map((_, i) => 0.5 * (i % 2))
      }
    }
  }),
  comparison(attentionForward, sums, (trial) => ({ inputs: attentionInputs(trial), attrs: attentionAttrs(trial) })),
  comparison(attentionBackward, saturating, (trial) => {
    const inputs = attentionInputs(trial)
    const { stats } = attentionForward.compose(inputs, attentionAttrs(trial))
    return { inputs: { ...inputs, stats, dy: trial.tensor("dy", inputs.q.shape) }, attrs: attentionAttrs(trial) }
  }),
  comparison(contrastiveForward, sums, (trial) => ({ inputs: pairsOf(trial), attrs: {} })),
  comparison(contrastiveBackward, (trial) => 10 * sums(trial), (trial) => {
    const inputs = pairsOf(trial)
    const { loss: _, correct: __, ...statistics } = contrastiveForward.compose(inputs, {})
    return { inputs: { ...inputs, dy: tf.scalar(-0.7), ...statistics }, attrs: { detachColumns: trial.isCausal } }
  }),
  comparison(diffAttentionForward, sums, (trial) => ({
    inputs: { ...attentionInputs(trial), lambda: tf.scalar(0.8) },
    attrs: attentionAttrs(trial)
  })),
  comparison(diffAttentionBackward, saturating, (trial) => {
    const inputs = { ...attentionInputs(trial), lambda: tf.scalar(0.8) }
    const { stats } = diffAttentionForward.compose(inputs, attentionAttrs(trial))
    const dy = trial.tensor("dy", inputs.q.shape)
    return { inputs: { ...inputs, stats, dy }, attrs: attentionAttrs(trial) }
  }),
  comparison(firstMaximaForward, exact, (trial) => ({ inputs: { x: rowsOf(trial, "x") }, attrs: {} })),
  comparison(gatherRowsForward, exact, (trial) => ({
    inputs: { table: rowsOf(trial, "table"), indices: indicesOf(trial) },
    attrs: {}
  })),
  comparison(gatherRowsBackward, sums, (trial) => ({
    inputs: { dy: trial.tensor("dy", [trial.tokens, trial.cols]), indices: indicesOf(trial) },
    attrs: { rows: trial.rows }
  })),
  comparison(geluForward, elementwise, (trial) => ({ inputs: { x: rowsOf(trial, "x") }, attrs: {} })),
  comparison(geluBackward, elementwise, (trial) => ({
    inputs: { dy: trial.tensor("dy", [trial.rows, trial.cols]), x: rowsOf(trial, "x") },
    attrs: {}
  })),
  comparison(l2NormalizeForward, sums, (trial) => ({ inputs: { x: rowsOf(trial, "x") }, attrs: {} })),
  comparison(l2NormalizeBackward, sums, (trial) => {
    const { y } = l2NormalizeForward.compose({ x: rowsOf(trial, "x") }, {})
    const norm = tf.add(tf.abs(trial.tensor("norm", [trial.rows])), 0.5)
    return { inputs: { dy: trial.tensor("dy", [trial.rows, trial.cols]), y, norm }, attrs: {} }
  }),
  comparison(lambdaForward, sums, (trial) => ({ inputs: lambdaVectors(trial), attrs: { lambdaInit: 0.8 } })),
  comparison(lambdaBackward, elementwise, (trial) => ({
    inputs: { dy: tf.scalar(-2), ...lambdaVectors(trial), first: tf.scalar(1.5), second: tf.scalar(0.7) },
    attrs: {}
  })),
  comparison(layerNormForward, (trial) => (trial.cols < 8 ? 1e-3 : sums(trial)), (trial) => ({
    inputs: {
      x: rowsOf(trial, "x"),
      gamma: trial.tensor("gamma", [trial.cols]),
      beta: trial.tensor("beta", [trial.cols])
    },
    attrs: { eps: 1e-5 }
  })),
  comparison(layerNormBackward, () => 2e-5, (trial) => ({
    inputs: {
      dy: trial.tensor("dy", [trial.rows, trial.cols]),
      x: trial.tensor("x", [trial.rows, trial.cols]),
      gamma: trial.tensor("gamma", [trial.cols]),
      mean: trial.tensor("mean", [trial.rows], 0.1),
      rstd: tf.add(tf.abs(trial.tensor("rstd", [trial.rows])), 0.5)
    },
    attrs: {}
  })),
  comparison(linearForward, sums, (trial) => ({
    inputs: {
      x: rowsOf(trial, "x"),
      weight: trial.tensor("weight", [trial.tokens, trial.cols]),
      bias: trial.tensor("bias", [trial.tokens])
    },
    attrs: {}
  })),
  comparison(mlpForward, sums, ({ tensor, rows, cols, tokens, headDim, std, isCausal }) => ({
    inputs: {
      x: tensor("x", [rows, cols], std),
      w1: tensor("w1", [tokens, cols], cols ** -0.5),
      b1: tensor("b1", [tokens]),
      w2: tensor("w2", [headDim, tokens], tokens ** -0.5),
      b2: tensor("b2", [headDim])
    },
    attrs: { activation: isCausal ? "gelu" as const : "quickGelu" as const }
  })),
  comparison(mlpHiddenBackward, () => 1e-5, ({ tensor, rows, cols, std, isCausal }) => ({
    inputs: { dpost: tensor("dpost", [rows, cols]), pre: tensor("pre", [rows, cols], std) },
    attrs: { activation: isCausal ? "gelu" as const : "quickGelu" as const }
  })),
  comparison(patchifyForward, exact, ({ tensor, pairs, headDim, rows }) => ({
    inputs: { images: tensor("images", [rows, 3, pairs * headDim, pairs * headDim]) },
    attrs: { patchSize: headDim }
  })),
  comparison(quickGeluForward, elementwise, (trial) => ({ inputs: { x: rowsOf(trial, "x") }, attrs: {} })),
  comparison(quickGeluBackward, elementwise, (trial) => ({
    inputs: { dy: trial.tensor("dy", [trial.rows, trial.cols]), x: rowsOf(trial, "x") },
    attrs: {}
  })),
  comparison(accumulateForward, () => 1e-30, (trial) => ({
    inputs: { sum: rowsOf(trial, "sum"), x: rowsOf(trial, "x") },
    attrs: {}
  })),
  comparison(clampForward, exact, (trial) => ({ inputs: { x: rowsOf(trial, "x") }, attrs: { lo: -0.5, hi: 1.25 } })),
  listComparison(normForward, () => 1e-5, (trial) => ({
    inputs: Array.from(
      { length: 2 * trial.tokens },
      (_, i) => trial.tensor(`${i}`, i % 2 === 0 ? [trial.rows, trial.cols] : [])
    ),
    attrs: {}
  })),
  comparison(rmsNormForward, sums, (trial) => ({
    inputs: { x: rowsOf(trial, "x"), gamma: trial.tensor("gamma", [trial.cols]) },
    attrs: { eps: 1e-5, scale: 0.2 }
  })),
  comparison(rmsNormBackward, () => 2e-5, (trial) => ({
    inputs: {
      dy: trial.tensor("dy", [trial.rows, trial.cols]),
      x: trial.tensor("x", [trial.rows, trial.cols]),
      gamma: trial.tensor("gamma", [trial.cols]),
      rstd: tf.add(tf.abs(trial.tensor("rstd", [trial.rows])), 0.5)
    },
    attrs: { scale: 0.2 }
  })),
  comparison(softmaxForward, sums, ({ tensor, rows, cols, std, isCausal }) => ({
    inputs: { x: tensor("x", [2, rows, cols], std) },
    attrs: { causal: isCausal }
  })),
  comparison(softmaxBackward, sums, ({ tensor, rows, cols, std }) => ({
    inputs: { dy: tensor("dy", [2, rows, cols]), y: tf.softmax(tensor("x", [2, rows, cols], std)) },
    attrs: {}
  }))
]

const trials = fc.record({
  seed: fc.nat(),
  rows: fc.constantFrom(1, 2, 3, 5, 9, 17),
  cols: fc.constantFrom(1, 2, 3, 5, 7, 8, 16, 31, 64, 77),
  tokens: fc.constantFrom(1, 2, 3, 5, 8, 17, 33),
  headDim: fc.constantFrom(1, 3, 4, 5, 7, 16),
  pairs: fc.constantFrom(1, 2, 3),
  isCausal: fc.boolean(),
  std: fc.constantFrom(1, 25)
})

const trialOf = ({ seed, ...sizes }: Omit<Trial, "tensor"> & { readonly seed: number }): Trial => ({
  ...sizes,
  tensor: (name, shape, std) => tensorOf(noise(seed, name, shape, std))
})

const compare = (given: Parameters<typeof trialOf>[0], { compare: check }: Comparison): void => {
  tf.tidy(() => {
    check(trialOf(given))
  })
}

describe("kernels of diffclip-cpu", () => {
  onEngine("diffclip-cpu")

  it("there is one for every operation of the closed list, and each is compared here", () => {
    const names = Object.values(kernels).flat()
    expect(comparisons.map(({ kernel }) => kernel).sort()).toEqual([...names].sort())
    expect(names.filter((name) => !hasKernel(name))).toEqual([])
  })

  it.each(comparisons)("$kernel gives the composition's numbers at any size", (operation) => {
    fc.assert(fc.property(trials, (given) => compare(given, operation)), runs(25))
  })

  it.each(comparisons)("$kernel gives the composition's numbers where threads share the work", (operation) => {
    // The composition of the scattered gradient takes a pass over all rows for each row: fewer of them.
    const rows = operation.kernel === gatherRowsBackward.name ? 17 : 197
    const large = { seed: 3, rows, cols: 133, tokens: 197, headDim: 7, pairs: 3, isCausal: true, std: 1 }
    compare(large, operation)
  })
})
