/**
 * GFLOP/s of matMul through tfjs on our CPU engine, at shapes of ViT-B/16 with batch 8 (NN, NT and TN, as forward and
 * backward need them), of its attention, its text tower and the demo's model; with one and two threads, in each
 * arithmetic: the system's BLAS where there is one, the fastest WebAssembly, and the deterministic one. The peer is tfjs's
 * own cpu backend, on one small shape, because it is slow; where it is not run, its keys are absent. Both take turns
 * within a run.
 * Prints one JSON object a line (DESIGN section 5): `median` and `min` are GFLOP/s, `min` the slowest run; `ratio` is
 * ours over the peer's.
 * Usage: node --conditions=source test/bench/gemm.ts
 */
import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import { loadavg } from "node:os"
import process from "node:process"
import { BlasUnavailable } from "../../lib/backend/cpu/blas/errors.ts"
import type { ArithmeticName } from "../../lib/backend/cpu/choose.ts"
import { type CpuEngine, registerCpu } from "../../lib/backend/cpu/register.ts"
import { fold, keyOf, normal } from "../../lib/tensor/index.ts"

interface Shape {
  readonly batch?: number
  readonly m: number
  readonly k: number
  readonly n: number
  /** Which operand is stored as its transpose. */
  readonly transposed?: "a" | "b"
  readonly hasPeer?: boolean
}

const shapes: ReadonlyArray<Shape> = [
  { m: 1576, k: 768, n: 768 },
  { m: 1576, k: 768, n: 3072, transposed: "b" },
  { m: 1576, k: 3072, n: 768, transposed: "b" },
  { m: 1576, k: 3072, n: 768 },
  { m: 768, k: 1576, n: 3072, transposed: "a" },
  { batch: 96, m: 197, k: 64, n: 197, transposed: "b" },
  { batch: 96, m: 197, k: 197, n: 64, transposed: "a" },
  { batch: 48, m: 197, k: 197, n: 128 },
  { m: 616, k: 512, n: 2048 },
  { m: 2176, k: 64, n: 256 },
  { m: 64, k: 2176, n: 256, transposed: "a" },
  { batch: 256, m: 17, k: 16, n: 17, transposed: "b" },
  { m: 8, k: 768, n: 1000 },
  { m: 197, k: 64, n: 197, hasPeer: true }
]

const arithmetics: ReadonlyArray<ArithmeticName> = ["blas", "wasm", "deterministic"]

const RUNS = 9
/** A run repeats the product until it has done this much, so that the clock's grain does not matter. */
const FLOPS_PER_RUN = 5e8
const PEER_FLOPS_PER_RUN = 2e7

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

const median = (values: ReadonlyArray<number>): number => sorted(values)[values.length >> 1] ?? Number.NaN

const rounded = (value: number): number => Number(value.toPrecision(4))

const describe = ({ batch = 1, m, k, n, transposed }: Shape): string =>
  `${batch === 1 ? "" : `${batch} x `}${m}x${k} @ ${k}x${n}` +
  (transposed === undefined ? "" : ` ${transposed === "a" ? "TN" : "NT"}`)

type Operands = readonly [Float32Array, Float32Array]

const operandsOf = ({ batch = 1, m, k, n }: Shape): Operands => [
  normal(fold(keyOf(1), "a"), batch * m * k, 1),
  normal(fold(keyOf(1), "b"), batch * k * n, 1)
]

/** GFLOP/s of one run on a backend. */
const rate = (
  backend: string,
  { batch = 1, m, k, n, transposed }: Shape,
  [left, right]: Operands,
  flopsPerRun: number
): number => {
  tf.setBackend(backend)
  const isA = transposed === "a", isB = transposed === "b"
  const a = tf.tensor3d(left, isA ? [batch, k, m] : [batch, m, k])
  const b = tf.tensor3d(right, isB ? [batch, n, k] : [batch, k, n])
  tf.matMul(a, b, isA, isB).dispose()
  const flops = 2 * batch * m * k * n
  const repeats = Math.max(1, Math.round(flopsPerRun / flops))
  const start = performance.now()
  for (let i = 0; i < repeats; i++) tf.matMul(a, b, isA, isB).dispose()
  const seconds = (performance.now() - start) / 1000
  tf.dispose([a, b])
  return repeats * flops / seconds / 1e9
}

const measure = (engine: CpuEngine, shape: Shape): void => {
  const operands = operandsOf(shape)
  const ours: Array<number> = []
  const peers: Array<number> = []
  for (let run = 0; run < RUNS; run++) {
    ours.push(rate(engine.name, shape, operands, FLOPS_PER_RUN))
    if (shape.hasPeer) peers.push(rate("cpu", shape, operands, PEER_FLOPS_PER_RUN))
  }
  const ratios = sorted(ours.map((value, i) => value / (peers[i] ?? Number.NaN)))
  const peer = {
    peer: "@tensorflow/tfjs-backend-cpu",
    peerVersion: tf.version_core,
    peerMedian: rounded(median(peers)),
    ratio: rounded(median(ratios)),
    ratioLow: rounded(ratios.at(0) ?? Number.NaN),
    ratioHigh: rounded(ratios.at(-1) ?? Number.NaN)
  }
  console.log(JSON.stringify({
    name: "gemm",
    backend: `${engine.name} ${engine.path}, ${engine.threads} thread${engine.threads === 1 ? "" : "s"}`,
    runtime: `${runtime} ${process.versions[runtime] ?? ""}`.trim(),
    shape: describe(shape),
    unit: "GFLOP/s",
    median: rounded(median(ours)),
    min: rounded(Math.min(...ours)),
    runs: RUNS,
    ...(shape.hasPeer ? peer : {}),
    load: rounded(loadavg()[0] ?? Number.NaN)
  }))
}

for (const arithmetic of arithmetics) {
  for (const threads of [1, 2]) {
    try {
      const engine = await registerCpu({ threads, arithmetic })
      for (const shape of shapes) measure(engine, shape)
      engine.close()
    } catch (error) {
      if (!(error instanceof BlasUnavailable)) throw error
      console.error(error.message)
    }
  }
}
