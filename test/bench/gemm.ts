/**
 * GFLOP/s of matMul through tfjs on our CPU engine, at shapes of ViT-B/16, its text tower and the demo's model, with
 * one and two threads. The peer is tfjs's own cpu backend, on one small shape, because it is slow; where it is not
 * run, its keys are absent. Both take turns within a run.
 * Prints one JSON object a line (DESIGN section 5): `median` and `min` are GFLOP/s, `min` the slowest run; `ratio` is
 * ours over the peer's.
 * Usage: node --conditions=source test/bench/gemm.ts
 */
import * as tf from "@tensorflow/tfjs-core"
import { loadavg } from "node:os"
import process from "node:process"
import { registerCpu } from "../../lib/backend/cpu/register.ts"
import { fold, keyOf, normal } from "../../lib/tensor/index.ts"

interface Shape {
  readonly m: number
  readonly k: number
  readonly n: number
  readonly hasPeer?: boolean
}

const shapes: ReadonlyArray<Shape> = [
  { m: 1576, k: 768, n: 768 },
  { m: 1576, k: 768, n: 3072 },
  { m: 616, k: 512, n: 2048 },
  { m: 2176, k: 64, n: 256 },
  { m: 197, k: 64, n: 197, hasPeer: true }
]

const RUNS = 9
/** A run repeats the product until it has done this much, so that the clock's grain does not matter. */
const FLOPS_PER_RUN = 1e9
const PEER_FLOPS_PER_RUN = 2e7

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

const median = (values: ReadonlyArray<number>): number => sorted(values)[values.length >> 1] ?? Number.NaN

const rounded = (value: number): number => Number(value.toPrecision(4))

/** GFLOP/s of one run on a backend. */
const rate = (backend: string, { m, k, n }: Shape, flopsPerRun: number): number => {
  tf.setBackend(backend)
  const a = tf.tensor2d(normal(fold(keyOf(1), "a"), m * k, 1), [m, k])
  const b = tf.tensor2d(normal(fold(keyOf(1), "b"), k * n, 1), [k, n])
  tf.matMul(a, b).dispose()
  const flops = 2 * m * k * n
  const repeats = Math.max(1, Math.round(flopsPerRun / flops))
  const start = performance.now()
  for (let i = 0; i < repeats; i++) tf.matMul(a, b).dispose()
  const seconds = (performance.now() - start) / 1000
  tf.dispose([a, b])
  return repeats * flops / seconds / 1e9
}

for (const threads of [1, 2]) {
  const engine = await registerCpu({ threads })
  for (const shape of shapes) {
    const ours: Array<number> = []
    const peers: Array<number> = []
    for (let run = 0; run < RUNS; run++) {
      ours.push(rate(engine.name, shape, FLOPS_PER_RUN))
      if (shape.hasPeer) peers.push(rate("cpu", shape, PEER_FLOPS_PER_RUN))
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
      backend: `${engine.name} ${engine.path}, ${threads} thread${threads === 1 ? "" : "s"}`,
      runtime: `${runtime} ${process.versions[runtime] ?? ""}`.trim(),
      shape: `${shape.m}x${shape.k} @ ${shape.k}x${shape.n}`,
      unit: "GFLOP/s",
      median: rounded(median(ours)),
      min: rounded(Math.min(...ours)),
      runs: RUNS,
      ...(shape.hasPeer ? peer : {}),
      load: rounded(loadavg()[0] ?? Number.NaN)
    }))
  }
  if (threads === 2) engine.close()
}
