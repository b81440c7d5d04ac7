/** All measures in one runtime on one adapter: what index.ts starts. `place.ts OPTIONS` takes its options as JSON. */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import { findAdapter, type FoundAdapter } from "../../../lib/backend/webgpu/adapter.ts"
import { numImageTokens } from "../../../lib/models/index.ts"
import { partCases } from "./cases.ts"
import { copySpeedOf, measureCompile, measureDispatchCost, measureReadback } from "./device.ts"
import { dispatches } from "./dispatches.ts"
import { type Contestant, type EngineSide, engineSide, figuresOf, type Run, runCase, settle } from "./measure.ts"
import { makeBlock, modelCases } from "./modelCases.ts"
import type { Options } from "./options.ts"
import { lineOf, type Name, type Row } from "./row.ts"
import { type SizeName, type Sizes, sizes } from "./sizes.ts"
import { openTorch, type Torch } from "./torch.ts"

// index.ts writes it.
const options: Options = JSON.parse(process.argv[2] ?? "{}")
const begin = performance.now()

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
const note = (text: string): void => void process.stderr.write(`${text}\n`)

const emitOn = (adapter: string) => (row: Row): void => {
  process.stdout.write(`${lineOf(row, adapter)}\n`)
  if ("failed" in row) note(`FAILED ${row.name} against ${row.peer}: ${row.failed}`)
  else if ("skipped" in row) note(`skipped ${row.name} against ${row.peer}: ${row.skipped}`)
  else if ("ratio" in row) {
    note(`${row.name}, ${row.shape}: ${row.median} ${row.unit}, ratio ${row.ratio} to ${row.peer}`)
  } else note(`${row.name}, ${row.shape}: ${row.median} ${row.unit}`)
}

/** Dispatches of one block of the model's image tower, forward and backward. */
const countDispatches = async (side: EngineSide, { model }: Sizes, batch: number): Promise<number> => {
  const engine = await side.open()
  await tf.setBackend(engine.name)
  const { work, dispose } = makeBlock(model.vision, batch, numImageTokens(model))
  const once = (): number => {
    const before = dispatches()
    tf.tidy(work)
    engine.flush()
    return dispatches() - before
  }
  once() // also fills what a block keeps
  const found = once()
  await settle(engine)
  dispose()
  return found
}

const measureDispatches = async (
  ours: EngineSide,
  stock: EngineSide | undefined,
  size: Sizes,
  { emit }: Run
): Promise<void> => {
  const { width, numHeads } = size.model.vision
  const [batch = 1] = size.batches
  const shape = `one image block forward and backward, batch ${batch}, width ${width}, ${numHeads} heads`
  const own = await countDispatches(ours, size, batch)
  const theirs = stock === undefined ? undefined : [await countDispatches(stock, size, batch)]
  emit({
    ...{ name: "dispatches", shape, peer: stock?.name ?? "none", unit: "dispatches" },
    ...{ engine: ours.version, peerVersion: stock?.version ?? "", ...figuresOf([own], theirs) }
  })
}

/** Whether there is time for another measure; where not, a line says so. */
const isInTime = (name: Name, shape: string, emit: Run["emit"]): boolean => {
  if (performance.now() - begin < 1000 * options.budgetSeconds) return true
  emit({ name, shape, peer: "all", skipped: `the ${options.budgetSeconds} seconds were over (--budget)` })
  return false
}

const measureAll = async ({ name: adapter, isSoftware }: FoundAdapter, torch: Torch | undefined): Promise<void> => {
  const emit = emitOn(adapter)
  const sizeName: SizeName = options.size ?? (isSoftware ? "software" : "gpu")
  const size = sizes[sizeName]
  const [ours, stock] = [engineSide("ours"), options.peers.includes("tfjs-webgpu") ? engineSide("stock") : undefined]
  if (torch !== undefined && "missing" in torch) {
    for (const name of options.only) emit({ name, shape: "all", peer: "pytorch", skipped: torch.missing })
  }
  const run: Run = { runs: options.runs ?? size.runs, emit }
  const wanted = (name: Name): boolean => options.only.includes(name)
  const guarded = async (name: Name, shape: string, work: () => Promise<void>): Promise<void> => {
    if (!wanted(name) || !isInTime(name, shape, emit)) return
    await work().catch((error: unknown) => emit({ name, shape, peer: "all", failed: messageOf(error) }))
  }
  const copySpeed = await copySpeedOf(await ours.open(), size.copyBytes)
  note(`copies: ${(copySpeed / 1e9).toPrecision(3)} GB/s read and written`)
  await guarded("dispatches", "one block", () => measureDispatches(ours, stock, size, run))
  await guarded("dispatch-cost", "empty dispatches", async () => measureDispatchCost(await ours.open(), run))
  await guarded("readback", "4 bytes", () => measureReadback(ours, stock, run))
  const peers: ReadonlyArray<Contestant> = [
    ...(stock === undefined ? [] : [stock]),
    ...(torch !== undefined && "contestants" in torch ? torch.contestants : [])
  ]
  for (const test of [...partCases(size), ...modelCases(size)]) {
    if (!wanted(test.name) && !(test.countsMemory === true && wanted("memory"))) continue
    if (!isInTime(test.name, test.shape, emit)) continue
    await runCase(test, ours, peers, { ...run, copySpeed })
  }
  for (const side of [ours, stock]) side?.close()
  await guarded(
    "compile",
    "first step",
    () => measureCompile(sizeName, stock !== undefined, `batch 2, ${size.modelName}`, run)
  )
}

const search = await findAdapter()
if ("missing" in search) {
  const skipped = `no adapter: ${search.missing}: ${search.advice}`
  for (const name of options.only) emitOn("none")({ name, shape: "all", peer: "all", skipped })
} else {
  const torch = options.peers.includes("pytorch") ? await openTorch(options.torchDevice, options.python) : undefined
  await measureAll(search.found, torch)
  if (torch !== undefined && "end" in torch) await torch.end()
}
process.exit(0) // the devices would keep the process alive
