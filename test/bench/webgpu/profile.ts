/**
 * Where a training step's time goes, by kernel: the step is recorded once with every dispatch that it makes, then the
 * dispatches of each pipeline are sent again alone and timed. Prints a table on stdout; `dispatches, ms, share, name`.
 * Usage: node --conditions=source test/bench/webgpu/profile.ts [quick|software|gpu] [step|block] [ours|stock]
 */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import { numImageTokens } from "../../../lib/models/index.ts"
import { onSomeAdapter } from "./environment.ts"
import { engineSide, settle } from "./measure.ts"
import { makeBlock, makeStep } from "./modelCases.ts"
import { sizeNames, sizes } from "./sizes.ts"

interface Dispatch {
  readonly pipeline: GPUComputePipeline
  readonly group: GPUBindGroup
  readonly counts: readonly [number, number?, number?]
}

const [asked = "software", what = "step", side = "ours"] = process.argv.slice(2)
const name = sizeNames.find((known) => known === asked)
if (name === undefined || (side !== "ours" && side !== "stock")) {
  throw new Error("expected a size, step or block, ours or stock")
}

onSomeAdapter()
const engine = await engineSide(side).open()
await tf.setBackend(engine.name)

const { prototype } = GPUComputePassEncoder
const { setPipeline, setBindGroup, dispatchWorkgroups } = prototype
const recorded: Array<Dispatch> = []
let isRecording = false
let pipeline: GPUComputePipeline | undefined
let group: GPUBindGroup | undefined
const replace = (method: string, value: unknown): void => {
  Object.defineProperty(prototype, method, { configurable: true, writable: true, value })
}
replace("setPipeline", function (this: GPUComputePassEncoder, next: GPUComputePipeline): undefined {
  pipeline = next
  setPipeline.call(this, next)
})
replace("setBindGroup", function (this: GPUComputePassEncoder, index: number, next: GPUBindGroup): undefined {
  group = next
  Reflect.apply(setBindGroup, this, [index, next])
})
replace(
  "dispatchWorkgroups",
  function (this: GPUComputePassEncoder, x: number, y?: number, z?: number): undefined {
    if (isRecording && pipeline !== undefined && group !== undefined) {
      recorded.push({ pipeline, group, counts: [x, y ?? 1, z ?? 1] })
    }
    dispatchWorkgroups.call(this, x, y, z)
  }
)

const size = sizes[name]
const batch = size.batches[0] ?? 2
const { work } = what === "block" ?
  makeBlock(size.model.vision, batch, numImageTokens(size.model)) :
  makeStep(size.model, batch)
const once = async (): Promise<void> => {
  tf.tidy(work)
  engine.flush()
  await settle(engine)
}
await once() // compiles
// Nothing is submitted within the step: no buffer of settings or of a freed tensor is used twice, so each dispatch can be
// sent again.
tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", 1e9)
isRecording = true
await once()
isRecording = false

const byName = new Map<string, Array<Dispatch>>()
for (const dispatch of recorded) {
  const label = dispatch.pipeline.label === "" ? "without a name" : dispatch.pipeline.label
  byName.set(label, [...byName.get(label) ?? [], dispatch])
}
const rows: Array<{ readonly label: string; readonly count: number; readonly ms: number }> = []
for (const [label, dispatches] of byName) {
  const start = performance.now()
  const encoder = engine.device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  for (const { pipeline, group, counts } of dispatches) {
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, group)
    pass.dispatchWorkgroups(...counts)
  }
  pass.end()
  engine.device.queue.submit([encoder.finish()])
  await settle(engine)
  rows.push({ label, count: dispatches.length, ms: performance.now() - start })
}
const total = rows.reduce((sum, { ms }) => sum + ms, 0)
for (const { label, count, ms } of rows.toSorted((a, b) => b.ms - a.ms)) {
  const share = (100 * ms / total).toFixed(1)
  process.stdout.write(
    `${String(count).padStart(5)} ${ms.toFixed(1).padStart(10)} ms ${share.padStart(5)} %  ${label}\n`
  )
}
process.stdout.write(`${recorded.length} dispatches, ${total.toFixed(0)} ms\n`)
process.exit(0) // the device would keep the process alive
