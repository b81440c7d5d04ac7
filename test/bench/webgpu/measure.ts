/**
 * Two engines in one process, each with a device of its own on the same adapter: ours, and tfjs's kernels alone. They
 * take turns; each turn ends when its device has done all that was recorded. A bench of its own is as short as
 *
 *     onSomeAdapter()                                     // environment.ts: SwiftShader where there is no card
 *     await runCases([{ name: "gemm", shape: "...", make: () => ({ work: () => tf.matMul(a, b), dispose: ... }) }])
 */
import * as tf from "@tensorflow/tfjs-core"
import process from "node:process"
import { findAdapter } from "../../../lib/backend/webgpu/adapter.ts"
import { registerWebgpu, type WebgpuEngine } from "../../../lib/backend/webgpu/register.ts"
import { compare, type Comparison, median, rounded } from "../cpu/statistics.ts"
import { dispatches, watchDispatches } from "./dispatches.ts"
import { type Facts, lineOf, type Name, type Row } from "./row.ts"
import type { TorchWork } from "./torch.ts"

/** Work on the engine that is tfjs's current backend; synchronous, and it leaves no tensor that it does not keep. */
export interface Prepared {
  readonly work: () => void
  readonly dispose: () => void
}

/** Something that is measured on every side. */
export interface Case {
  readonly name: Name
  readonly shape: string
  /** Makes inputs on the engine in use. */
  readonly make: () => Prepared
  /** The same in PyTorch; undefined where it has none. */
  readonly torch?: TorchWork
  /** Multiplications and additions of one turn, for GFLOP/s. */
  readonly flops?: number
  /** Bytes that it must read and write, for the share of the speed of a copy. */
  readonly bytes?: number
  /** Whether the memory after it is a row of its own. */
  readonly countsMemory?: boolean
}

/** One turn. */
export interface Timing {
  readonly seconds: number
  /** Until all was recorded, on the host; undefined in PyTorch. */
  readonly encodeSeconds?: number
  readonly dispatches?: number
}

/** A case that is ready to be timed, warm. */
export interface Runner {
  readonly once: () => Promise<Timing>
  readonly allocatedBytes: () => Promise<number | undefined>
  readonly end: () => Promise<void>
}

/** Who takes turns. */
export interface Contestant {
  readonly name: string
  readonly version: string
  readonly prepare: (test: Case) => Promise<Runner>
}

/** An engine that is opened when it is first needed, and again when its device has reported an error. */
export interface EngineSide extends Contestant {
  readonly open: () => Promise<WebgpuEngine>
  readonly close: () => void
}

/** So long a turn should take at least, so that waiting for the queue is a small part of it. */
const LEAST_SECONDS = 0.05
/** A pool of buffers never shrinks; one above this is given up with its engine. */
const MOST_BYTES = 2 ** 29
/** tfjs's flag for its programs that multiply; -1 leaves the choice to tfjs. Ours sets it, and tfjs must not inherit it. */
const PROGRAM = "WEBGPU_MATMUL_PROGRAM_TYPE"
const BATCH = "WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE"
/** tfjs's own. */
const [STOCK_PROGRAM, STOCK_BATCH] = [-1, 15]

const use = async (engine: WebgpuEngine, kernels: "ours" | "stock", batch: number): Promise<void> => {
  if (!await tf.setBackend(engine.name)) throw new Error(`tfjs did not take ${engine.name}`)
  tf.env().set(PROGRAM, STOCK_PROGRAM)
  tf.env().set(BATCH, kernels === "stock" ? STOCK_BATCH : batch)
}

/** Waits until the device has done everything that was sent to it; throws what it reported. */
export const settle = async ({ device, faults }: WebgpuEngine): Promise<void> => {
  await device.queue.onSubmittedWorkDone()
  const fault = faults.first()
  if (fault !== undefined) throw new Error(fault.message)
}

const turn = async (engine: WebgpuEngine, work: () => void, repeats: number): Promise<Timing> => {
  const before = dispatches()
  const start = performance.now()
  for (let i = 0; i < repeats; i++) tf.tidy(work)
  const recorded = performance.now()
  engine.flush()
  await settle(engine)
  const per = (milliseconds: number): number => milliseconds / 1000 / repeats
  return {
    seconds: per(performance.now() - start),
    encodeSeconds: per(recorded - start),
    dispatches: Math.round((dispatches() - before) / repeats)
  }
}

/** One of the two engines. */
export const engineSide = (kernels: "ours" | "stock"): EngineSide => {
  let opened: WebgpuEngine | undefined
  let batch = STOCK_BATCH
  const close = (): void => {
    opened?.close()
    opened = undefined
  }
  const open = async (): Promise<WebgpuEngine> => {
    if (opened !== undefined && opened.faults.first() === undefined) return opened
    close()
    const search = await findAdapter()
    if ("missing" in search) throw new Error(`no adapter: ${search.missing}: ${search.advice}`)
    watchDispatches()
    opened = await registerWebgpu(search.found, { kernels })
    if (kernels === "ours") batch = tf.env().getNumber(BATCH)
    return opened
  }
  const name = kernels === "ours" ? "ours" : "tfjs-webgpu"
  return {
    name,
    version: kernels === "ours" ? "webgpu kernels" : `tfjs ${tf.version_core} webgpu, operations composed`,
    open,
    close,
    prepare: async ({ make }) => {
      const engine = await open()
      await use(engine, kernels, batch)
      const { work, dispose } = make()
      const once = async (repeats: number): Promise<Timing> => {
        await use(engine, kernels, batch)
        return turn(engine, work, repeats)
      }
      await once(1) // compiles
      const { seconds } = await once(1)
      const repeats = Math.min(100, Math.max(1, Math.ceil(LEAST_SECONDS / seconds)))
      return {
        once: () => once(repeats),
        allocatedBytes: () => Promise.resolve(engine.memory().allocatedBytes),
        end: async () => {
          if (engine.faults.first() !== undefined) return close()
          await use(engine, kernels, batch)
          dispose()
          engine.flush()
          await settle(engine)
          if (engine.memory().allocatedBytes > MOST_BYTES) close()
        }
      }
    }
  }
}

/** How a bench is run. */
export interface Run {
  readonly runs: number
  readonly emit: (row: Row) => void
  /** Bytes a second of a plain copy on this adapter; undefined where nothing is set beside it. */
  readonly copySpeed?: number
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

interface Series {
  readonly contestant: Contestant
  readonly runner: Runner
  readonly timings: Array<Timing>
}

const factsOf = ({ flops, bytes }: Case, timings: ReadonlyArray<Timing>, copySpeed: number | undefined): Facts => {
  const seconds = median(timings.map((timing) => timing.seconds))
  const [last] = timings.slice(-1)
  const encode = timings.flatMap(({ encodeSeconds }) => encodeSeconds === undefined ? [] : [encodeSeconds])
  return {
    ...(encode.length === 0 ? {} : { encode: rounded(1000 * median(encode)) }),
    ...(last?.dispatches === undefined ? {} : { dispatches: last.dispatches }),
    ...(flops === undefined ? {} : { gflops: rounded(flops / seconds / 1e9) }),
    ...(bytes === undefined ? {} : { gigabytesPerSecond: rounded(bytes / seconds / 1e9) }),
    ...(bytes === undefined || copySpeed === undefined ? {} : { shareOfCopy: rounded(bytes / seconds / copySpeed) })
  }
}

const asPeer = (facts: Facts): Facts =>
  Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [`peer${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, fact])
  )

/** The figures of one side, or what was compared of two. */
export const figuresOf = (
  ours: ReadonlyArray<number>,
  peers: ReadonlyArray<number> | undefined,
  ratioOf: "peer/ours" | "ours/peer" = "peer/ours"
): Comparison | Pick<Comparison, "median" | "min" | "runs"> => {
  if (peers !== undefined) return compare(ours, peers, ratioOf)
  return { median: rounded(median(ours)), min: rounded(Math.min(...ours)), runs: ours.length }
}

const milliseconds = (timings: ReadonlyArray<Timing>): ReadonlyArray<number> =>
  timings.map(({ seconds }) => 1000 * seconds)

/** One case: ours and its peers in turns, a row for each peer. What fails is a row that says why. */
export const runCase = async (
  test: Case,
  ours: Contestant,
  peers: ReadonlyArray<Contestant>,
  { runs, emit, copySpeed }: Run
): Promise<void> => {
  const { name, shape } = test
  const ready: Array<Series> = []
  for (const contestant of [ours, ...peers]) {
    if (contestant !== ours && ready.length === 0) continue
    try {
      ready.push({ contestant, runner: await contestant.prepare(test), timings: [] })
    } catch (error) {
      const failed = contestant === ours ? peers : [contestant]
      const reason = `${contestant.name}: ${messageOf(error)}`
      for (const peer of failed) emit({ name, shape, peer: peer.name, failed: reason })
      if (contestant === ours && peers.length === 0) emit({ name, shape, peer: "none", failed: reason })
    }
  }
  const broken = new Map<Series, string>()
  for (let i = 0; i < runs; i++) {
    for (const series of ready) {
      if (broken.has(series)) continue
      try {
        series.timings.push(await series.runner.once())
      } catch (error) {
        broken.set(series, `${series.contestant.name}: ${messageOf(error)}`)
      }
    }
  }
  const [own, ...others] = ready
  if (own !== undefined) {
    const facts = factsOf(test, own.timings, copySpeed)
    const bytes = test.countsMemory === true ? await own.runner.allocatedBytes() : undefined
    const ratios = async (other: Series | undefined): Promise<void> => {
      const peer = other?.contestant.name ?? "none"
      const reason = broken.get(own) ?? (other === undefined ? undefined : broken.get(other))
      if (reason !== undefined) return emit({ name, shape, peer, failed: reason })
      const about = { shape, peer, engine: own.contestant.version, peerVersion: other?.contestant.version ?? "" }
      const theirs = other === undefined ? {} : asPeer(factsOf(test, other.timings, copySpeed))
      const figures = figuresOf(milliseconds(own.timings), other && milliseconds(other.timings))
      emit({ name, ...about, unit: "ms", ...figures, facts: { ...facts, ...theirs } })
      const peerBytes = await other?.runner.allocatedBytes()
      if (bytes === undefined || (other !== undefined && peerBytes === undefined)) return
      const sizes = figuresOf(
        [bytes / 2 ** 20],
        peerBytes === undefined ? undefined : [peerBytes / 2 ** 20],
        "ours/peer"
      )
      emit({ name: "memory", ...about, unit: "MiB", ...sizes })
    }
    if (others.length === 0 && (peers.length === 0 || broken.has(own))) await ratios(undefined)
    for (const other of others) await ratios(other)
  }
  for (const { runner } of ready) await runner.end().catch(() => undefined) // its error is a row already
}

/** Runs cases by themselves against tfjs's kernels and prints a line for each; for a bench that is started by hand. */
export const runCases = async (cases: ReadonlyArray<Case>, runs = 5): Promise<void> => {
  const [ours, stock] = [engineSide("ours"), engineSide("stock")]
  const search = await findAdapter()
  const adapter = "found" in search ? search.found.name : "none"
  const emit = (row: Row): void => void process.stdout.write(`${lineOf(row, adapter)}\n`)
  for (const test of cases) await runCase(test, ours, [stock], { runs, emit })
  process.exit(0) // the devices would keep the process alive
}
