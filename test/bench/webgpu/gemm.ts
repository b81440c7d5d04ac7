/**
 * GFLOP/s of matMul through tfjs on our WebGPU engine against tfjs's own kernels on the same device, at shapes of
 * ViT-B/16 with batch 2 (394 rows), NT, NN and TN as forward and backward need them. Both take turns within a run, on
 * operands that are on the device; a run ends when the device says so. Prints one JSON object a line (DESIGN section
 * 5): `median` and `min` are GFLOP/s, `min` the slowest run; `ratio` is ours over the peer's.
 * Usage: node --conditions=source test/bench/webgpu/gemm.ts; for a software adapter, first
 * `eval "$(DIFFCLIP_SOFTWARE_ADAPTER=1 node scripts/softwareAdapter.ts)"`.
 */
import * as tf from "@tensorflow/tfjs-core"
import { loadavg } from "node:os"
import process from "node:process"
import { findAdapter, openDevice } from "../../../lib/backend/webgpu/adapter.ts"
import { webgpuKernels } from "../../../lib/backend/webgpu/kernels/index.ts"
import { registerStock, type StockEngine } from "../../../lib/backend/webgpu/tfjs.ts"
import { fold, keyOf, normal } from "../../../lib/tensor/index.ts"

interface Shape {
  readonly m: number
  readonly k: number
  readonly n: number
  /** Which operand is stored as its transpose. */
  readonly transposed?: "a" | "b"
}

const [rows, width, hidden] = [394, 768, 3072]

const shapes: ReadonlyArray<Shape> = [[width, width], [width, hidden], [hidden, width]].flatMap(
  ([from = 0, to = 0]): ReadonlyArray<Shape> => [
    { m: rows, k: from, n: to, transposed: "b" }, // x weight^T
    { m: rows, k: to, n: from }, // dy weight
    { m: to, k: rows, n: from, transposed: "a" } // dy^T x
  ]
)

const RUNS = 7
/** A run repeats the product until it has done this much. */
const FLOPS_PER_RUN = 4e8

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

const median = (values: ReadonlyArray<number>): number => sorted(values)[values.length >> 1] ?? Number.NaN

const rounded = (value: number): number => Number(value.toPrecision(4))

const describe = ({ m, k, n, transposed }: Shape): string =>
  `${m}x${k} @ ${k}x${n} ${transposed === undefined ? "NN" : transposed === "a" ? "TN" : "NT"}`

interface Side {
  readonly name: string
  readonly engine: StockEngine
}

const search = await findAdapter()
if ("missing" in search) throw new Error(`no WebGPU: ${search.missing}: ${search.advice}`)
const { adapter, name: adapterName } = search.found
const device = await openDevice(adapter)
const sideOf = (name: string, kernels: typeof webgpuKernels): Side => ({
  name,
  engine: registerStock(name, device, adapter.info, kernels)
})
const ours = sideOf("bench-ours", webgpuKernels)
const peer = sideOf("bench-tfjs", [])

/** GFLOP/s of one run. */
const rate = async ({ name, engine }: Side, { m, k, n, transposed }: Shape, runs: number): Promise<number> => {
  tf.setBackend(name)
  const isA = transposed === "a", isB = transposed === "b"
  const a = tf.tensor2d(normal(fold(keyOf(1), "a"), m * k, 1), isA ? [k, m] : [m, k])
  const b = tf.tensor2d(normal(fold(keyOf(1), "b"), k * n, 1), isB ? [n, k] : [k, n])
  const multiply = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) tf.matMul(a, b, isA, isB).dispose()
    engine.flush()
    await device.queue.onSubmittedWorkDone()
  }
  await multiply(1)
  const start = performance.now()
  await multiply(runs)
  const seconds = (performance.now() - start) / 1000
  tf.dispose([a, b])
  return 2 * m * k * n * runs / seconds / 1e9
}

for (const shape of shapes) {
  const repeats = Math.max(1, Math.round(FLOPS_PER_RUN / (2 * shape.m * shape.k * shape.n)))
  const [our, their]: [Array<number>, Array<number>] = [[], []]
  for (let run = 0; run < RUNS; run++) {
    our.push(await rate(ours, shape, repeats))
    their.push(await rate(peer, shape, repeats))
  }
  const ratios = sorted(our.map((value, i) => value / (their[i] ?? Number.NaN)))
  console.log(JSON.stringify({
    name: "gemm-webgpu",
    backend: `webgpu on ${adapterName}`,
    runtime: `${runtime} ${process.versions[runtime] ?? ""}`.trim(),
    shape: describe(shape),
    unit: "GFLOP/s",
    median: rounded(median(our)),
    min: rounded(Math.min(...our)),
    runs: RUNS,
    peer: "@tensorflow/tfjs-backend-webgpu",
    peerVersion: tf.version_core,
    peerMedian: rounded(median(their)),
    ratio: rounded(median(ratios)),
    ratioLow: rounded(ratios.at(0) ?? Number.NaN),
    ratioHigh: rounded(ratios.at(-1) ?? Number.NaN),
    load: rounded(loadavg()[0] ?? Number.NaN)
  }))
}
process.exit(0) // Dawn keeps the process
