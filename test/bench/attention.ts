/**
 * A transformer block of ViT-B/16 ([8, 197, 768], 12 heads) with differential attention against the same block with
 * softmax attention, forward and backward, both ours and in turns; the two operations alone; and the peak of the
 * differential operation's forward and backward for more tokens.
 * Prints one JSON object a line (DESIGN section 5): `ratio` of `...-differential-over-softmax` is differential time over
 * softmax time, pair by pair; `attention-memory` is in MiB, gradients among them, inputs not.
 * Usage: node --conditions=source test/bench/attention.ts [runs] [best|blas|wasm|deterministic]
 */
import * as tf from "@tensorflow/tfjs-core"
import { loadavg } from "node:os"
import process from "node:process"
import { registerCpu } from "../../lib/backend/cpu/register.ts"
import { makeClip, makeDiffClip } from "../../lib/models/index.ts"
import {
  type Attention,
  attention,
  type Block,
  block,
  type DiffAttention,
  diffAttention,
  initialize
} from "../../lib/nn/index.ts"
import * as ops from "../../lib/ops/index.ts"
import { disposeParams, fold, keyOf, normal, type Params, type Value, value, vjp } from "../../lib/tensor/index.ts"

const [BATCH, TOKENS, WIDTH, HEADS] = [8, 197, 768, 12]
const TOKEN_COUNTS = [197, 577, 1025, 4097]
const WARM_UP = 2

const runs = Number(process.argv[2] ?? 15)
const asked = process.argv[3] ?? "best"
const arithmetic = (["best", "blas", "wasm", "deterministic"] as const).find((name) => name === asked)
if (arithmetic === undefined) throw new RangeError(`expected best, blas, wasm or deterministic, found ${asked}`)

const engine = await registerCpu({ arithmetic })
await tf.setBackend(engine.name)

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"
const rounded = (x: number): number => Number(x.toPrecision(4))
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const common = (name: string, shape: string) => ({
  name,
  backend: `${engine.name} ${engine.path}`,
  runtime: `${runtime} ${process.versions[runtime] ?? ""}`.trim(),
  shape
})

const inputOf = (name: string, shape: ReadonlyArray<number>): Value =>
  value(tf.keep(tf.tensor(normal(fold(keyOf(1), name), shape.reduce((a, b) => a * b, 1), 1), [...shape])))

/** Milliseconds of one forward and backward pass. */
const time = <P extends Params>(params: P, program: (params: P) => Value, seed: Value): number => {
  const start = performance.now()
  const { outputs, pullback } = vjp(params, (p) => ({ out: program(p) }))
  const grads = pullback({ out: seed.tensor })
  outputs.out.tensor.dispose()
  disposeParams(grads)
  return performance.now() - start
}

const compare = (name: string, shape: string, differential: () => number, softmax: () => number): void => {
  const pairs: Array<readonly [number, number]> = []
  for (let run = 0; run < WARM_UP + runs; run++) {
    const pair = run % 2 === 0 ? [differential(), softmax()] as const : [softmax(), differential()].toReversed()
    if (run >= WARM_UP) pairs.push([pair[0] ?? NaN, pair[1] ?? NaN])
  }
  const [ours, peers] = [pairs.map(([ms]) => ms), pairs.map(([, ms]) => ms)]
  const ratios = pairs.map(([a, b]) => a / b)
  console.log(JSON.stringify({
    ...common(name, shape),
    unit: "ms",
    median: rounded(median(ours)),
    min: rounded(Math.min(...ours)),
    runs,
    peer: "self",
    peerVersion: "softmax attention",
    peerMedian: rounded(median(peers)),
    peerMin: rounded(Math.min(...peers)),
    ratio: rounded(median(ratios)),
    ratioLow: rounded(Math.min(...ratios)),
    ratioHigh: rounded(Math.max(...ratios)),
    load: rounded(loadavg()[0] ?? NaN)
  }))
}

const x = inputOf("x", [BATCH, TOKENS, WIDTH])
const seed = inputOf("seed", [BATCH, TOKENS, WIDTH])
const shape = `[${BATCH}, ${TOKENS}, ${WIDTH}], ${HEADS} heads`
const options = { numHeads: HEADS, mask: "none" } as const

const tower = { width: WIDTH, layers: 1, numHeads: HEADS }
const sizes = { imageSize: 224, patchSize: 16, vision: tower, text: tower, contextLength: 1, vocabSize: 1, embedDim: 1 }
const [ours, peer] = [makeDiffClip("differential", sizes), makeClip("softmax", sizes)]
const [oursSpecs, peerSpecs] = [ours.specs.visual.blocks[0], peer.specs.visual.blocks[0]]
if (oursSpecs === undefined || peerSpecs === undefined) throw new Error("a model of one layer has no first block")
const differential = { p: initialize<Block<DiffAttention>>(oursSpecs, keyOf(1)), x }
const softmax = { p: initialize<Block<Attention>>(peerSpecs, keyOf(1)), x }
const diffBlock = block(diffAttention({ ...options, lambdaInit: 0.8 }), "gelu", 1e-5)
const softBlock = block(attention(options), "gelu", 1e-5)
compare(
  "block-differential-over-softmax",
  shape,
  () => time(differential, ({ p, x }) => diffBlock(p, x), seed),
  () => time(softmax, ({ p, x }) => softBlock(p, x), seed)
)

const qkv = (b: number, n: number) => ({
  q: inputOf("q", [b, n, WIDTH]),
  k: inputOf("k", [b, n, WIDTH]),
  v: inputOf("v", [b, n, WIDTH]),
  lambda: value(tf.keep(tf.scalar(0.8)))
})
const operands = qkv(BATCH, TOKENS)
const diffOnly = (p: typeof operands): Value => ops.diffAttention(p.q, p.k, p.v, p.lambda, options)
compare(
  "attention-differential-over-softmax",
  shape,
  () => time(operands, diffOnly, seed),
  () => time(operands, (p) => ops.attention(p.q, p.k, p.v, options), seed)
)

for (const n of TOKEN_COUNTS) {
  const inputs = qkv(1, n)
  const cotangent = inputOf("seed", [1, n, WIDTH])
  const { bytesInUse } = engine.memory()
  engine.resetPeak()
  const ms = time(inputs, diffOnly, cotangent)
  const mib = (engine.memory().peakBytes - bytesInUse) / 2 ** 20
  console.log(JSON.stringify({
    ...common("attention-memory", `[1, ${n}, ${WIDTH}], ${HEADS} heads`),
    unit: "MiB",
    median: rounded(mib),
    bytesPerToken: Math.round(mib * 2 ** 20 / n),
    ms: rounded(ms),
    runs: 1
  }))
  disposeParams({ inputs, cotangent })
}
process.exit(0)
