/** The rows of the table: what is started, asked in turns, and compared. */
import type { ClipConfig } from "../../../lib/models/index.ts"
import type { RuntimeName } from "../../../scripts/runtime.ts"
import { stepFlops } from "../../../pipelines/flops.ts"
import { describeConfig } from "./files.ts"
import type { Options, OurBackend } from "./options.ts"
import { numberOf, type Work } from "./protocol.ts"
import type { Measured, Name, NotMeasured, PeerName, Row, Subject } from "./row.ts"
import {
  checkEqual,
  giveInputs,
  inTurns,
  type Measurement,
  open,
  openWith,
  secondsOf,
  type Side,
  type SideName,
  withSides
} from "./session.ts"
import { compare, type RatioOf } from "./statistics.ts"

/** Where rows go as soon as they are known. */
export type Emit = (row: Row) => void

/** What one engine in one runtime is measured with. */
export interface Place {
  readonly backend: OurBackend
  readonly runtime: RuntimeName
  readonly options: Options
  readonly emit: Emit
  readonly note: (text: string) => void
}

const engineIn = ({ backend, runtime }: Place): SideName => ({ kind: "engine", backend, runtime })

const MIB = 2 ** 20

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const subject = ({ backend, runtime }: Place, name: Name, shape: string, peer: PeerName): Subject => ({
  ...{ name, backend, runtime, shape, peer }
})

/** Rows that were wanted and did not come, with the reason. */
const notMeasured = (place: Place, names: ReadonlyArray<Name>, shape: string, peer: PeerName, error: unknown): void => {
  for (const name of names) place.emit({ ...subject(place, name, shape, peer), failed: messageOf(error) })
}

const wanted = ({ options }: Place, ...names: ReadonlyArray<Name>): ReadonlyArray<Name> =>
  names.filter((name) => options.only.includes(name))

const shapeOf = (config: ClipConfig, batch: number): string => `batch ${batch}, ${describeConfig(config)}`

/** Checks, then times in turns; the memory that the step needed comes last, because it is the largest. */
const againstPytorch = async (place: Place): Promise<void> => {
  const { options, emit, note } = place
  const { model, batch, threads } = options
  const names = wanted(place, "train-step", "encode-image", "encode-text", "peak-memory")
  if (names.length === 0) return
  const shape = shapeOf(model, batch)
  const left = new Set(names)
  const sides = [() => openWith(engineIn(place), model, threads), () => openWith({ kind: "pytorch" }, model, threads)]
  const use = async ([ours, peer]: ReadonlyArray<Side>): Promise<void> => {
    if (ours === undefined || peer === undefined) return
    const of = (name: Name) => ({
      ...subject(place, name, shape, "pytorch"),
      ...{ runtime: ours.runtime, engine: ours.engine, peerVersion: peer.version }
    })
    const both = [ours, peer]
    await giveInputs(both, model, 2)
    note(`${ours.name} and ${peer.name} agree within ${(await checkEqual(ours, peer, model)).toExponential(1)}`)
    await giveInputs(both, model, batch)
    const works: ReadonlyArray<Name & Work> = ["encode-image", "encode-text", "train-step"]
    for (const what of works.filter((work) => left.has(work))) {
      const [a, b] = await inTurns(secondsOf(ours, what), secondsOf(peer, what), options)
      emit({ ...of(what), unit: "s", ...compare(a, b, "peer/ours") })
      left.delete(what)
    }
    if (!left.has("peak-memory")) return
    // A fresh optimizer makes its moments in the first step; the second is like all that follow.
    if (!names.includes("train-step")) {
      for (const side of [...both, ...both]) await side.ask({ do: "time", what: "train-step" })
    }
    const [a, b] = await Promise.all(both.map(async (side) => numberOf(await side.ask({ do: "memory" }), "peakBytes")))
    emit({ ...of("peak-memory"), unit: "MiB", ...compare([(a ?? 0) / MIB], [(b ?? 0) / MIB], "ours/peer") })
  }
  await withSides(sides, use).catch((error: unknown) => notMeasured(place, [...left], shape, "pytorch", error))
}

interface Self {
  readonly name: Name
  readonly shape: string
  readonly unit: string
  readonly ratioOf: RatioOf
  readonly peerIs: string
  readonly config: ClipConfig
  /** Threads of each program that is needed. */
  readonly threads: ReadonlyArray<number>
  readonly turns: (sides: ReadonlyArray<Side>) => Promise<readonly [Measurement, Measurement]>
}

/** A measure that compares our engine with itself. */
const withItself = async (place: Place, self: Self): Promise<void> => {
  if (wanted(place, self.name).length === 0) return
  const sides = self.threads.map((threads) => () => openWith(engineIn(place), self.config, threads))
  const use = async (opened: ReadonlyArray<Side>): Promise<void> => {
    const [a, b] = await inTurns(...await self.turns(opened), place.options)
    const { runtime = "", engine = "" } = opened[0] ?? {}
    const about = { ...subject(place, self.name, self.shape, "self"), runtime, engine, peerVersion: self.peerIs }
    place.emit({ ...about, unit: self.unit, ...compare(a, b, self.ratioOf) })
  }
  await withSides(sides, use).catch((error: unknown) => notMeasured(place, [self.name], self.shape, "self", error))
}

const first = (sides: ReadonlyArray<Side>): Side => {
  const [side] = sides
  if (side === undefined) throw new Error("expected a program")
  return side
}

const selves = ({ model, batch, largeBatch, largeLayers, threads }: Options): ReadonlyArray<Self> => {
  const given = (sides: ReadonlyArray<Side>, size: number) => giveInputs(sides, model, size)
  const cut = largeLayers ?? Infinity
  const large: ClipConfig = {
    ...model,
    vision: { ...model.vision, layers: Math.min(cut, model.vision.layers) },
    text: { ...model.text, layers: Math.min(cut, model.text.layers) }
  }
  const perPair = (side: Side, size: number): Measurement => async () => {
    await giveInputs([side], large, size)
    return await secondsOf(side, "train-step")() / size
  }
  const flops = stepFlops(model, { batchSize: batch, microBatch: null, updateFreq: 1, checkpointBlocks: "none" })
  return [{
    name: "block-differential-over-softmax",
    shape: `batch ${batch}, one vision block of width ${model.vision.width}, forward and backward`,
    unit: "s",
    ratioOf: "ours/peer",
    peerIs: "the block with ordinary attention",
    config: model,
    threads: [threads],
    turns: async (sides) => {
      await given(sides, batch)
      return [secondsOf(first(sides), "block-differential"), secondsOf(first(sides), "block-softmax")]
    }
  }, {
    name: "two-threads-over-one",
    shape: `train-step, ${shapeOf(model, batch)}`,
    unit: "s",
    ratioOf: "peer/ours",
    peerIs: "one thread",
    config: model,
    threads: [2, 1],
    turns: async (sides) => {
      await given(sides, batch)
      const [two = first(sides), one = first(sides)] = sides
      return [secondsOf(two, "train-step"), secondsOf(one, "train-step")]
    }
  }, {
    name: "batch-64-over-8",
    shape: `train-step a pair, batch ${largeBatch} and 8, ${describeConfig(large)}`,
    unit: "s/pair",
    ratioOf: "ours/peer",
    peerIs: "batch 8",
    config: large,
    threads: [threads],
    turns: (sides) => Promise.resolve([perPair(first(sides), largeBatch), perPair(first(sides), 8)])
  }, {
    name: "gemm-share",
    shape: `train-step, ${shapeOf(model, batch)}`,
    unit: "GFLOP/s",
    ratioOf: "ours/peer",
    peerIs: "the step's products alone, as plain products",
    config: model,
    threads: [threads],
    turns: async (sides) => {
      await given(sides, batch)
      const side = first(sides)
      return [async () => flops / await secondsOf(side, "train-step")() / 1e9, async () => {
        const said = await side.ask({ do: "gemm" })
        return numberOf(said, "flops") / numberOf(said, "seconds") / 1e9
      }]
    }
  }]
}

const TOKENS = [1025, 197] as const

/** The engine's peak at 1025 and at 197 tokens, each in a process of its own; 1 is linear, 5.2 quadratic. */
const attentionMemory = async (place: Place): Promise<void> => {
  if (wanted(place, "attention-memory").length === 0) return
  const [many, few] = TOKENS
  const shape = `differential attention forward and backward, batch 2, width 768, ${many} and ${few} tokens, per token`
  const of = async (tokens: number) => {
    const program = open(engineIn(place))
    try {
      const said = await program.ask({ do: "attention", tokens, threads: place.options.threads })
      return {
        bytes: numberOf(said, "peakBytes") / tokens,
        engine: String(said["engine"]),
        runtime: String(said["runtime"])
      }
    } finally {
      await program.end()
    }
  }
  try {
    const [a, b] = [await of(many), await of(few)]
    const about = { ...subject(place, "attention-memory", shape, "self"), runtime: a.runtime, engine: a.engine }
    const compared = compare([a.bytes / 1024], [b.bytes / 1024], "ours/peer")
    place.emit({ ...about, peerVersion: `${few} tokens`, unit: "KiB/token", ...compared })
  } catch (error) {
    notMeasured(place, ["attention-memory"], shape, "self", error)
  }
}

const rivals: ReadonlyArray<PeerName & ("tfjs-wasm" | "tfjs-cpu" | "jax-js")> = ["tfjs-wasm", "tfjs-cpu", "jax-js"]

/** A step of a small model against engines that have no fast products. */
const smallStep = async (place: Place): Promise<void> => {
  if (wanted(place, "train-step-small").length === 0) return
  const { options, runtime, note } = place
  const { small, batch, threads } = options
  const shape = shapeOf(small, batch)
  for (const peer of rivals) {
    const about = subject(place, "train-step-small", shape, peer)
    const side: SideName = peer === "jax-js" ? { kind: peer } : { kind: "engine", backend: peer, runtime }
    let isPeerOpen = false
    const openPeer = async (): Promise<Side> => {
      const opened = await openWith(side, small, threads)
      isPeerOpen = true
      return opened
    }
    const use = async ([ours, other]: ReadonlyArray<Side>): Promise<void> => {
      if (ours === undefined || other === undefined) return
      await giveInputs([ours, other], small, batch)
      note(`${ours.name} and ${other.name} agree within ${(await checkEqual(ours, other, small)).toExponential(1)}`)
      const [a, b] = await inTurns(secondsOf(ours, "train-step"), secondsOf(other, "train-step"), options)
      const facts = { runtime: ours.runtime, engine: ours.engine, peerVersion: other.version }
      place.emit({ ...about, ...facts, unit: "s", ...compare(a, b, "peer/ours") })
    }
    await withSides([() => openWith(engineIn(place), small, threads), openPeer], use).catch((error: unknown) => {
      // Ours is opened first: when the peer never was, it may simply not run here. Wrong numbers are a failure.
      const reason = messageOf(error)
      const isTheirs = !isPeerOpen && reason.startsWith(peer)
      const row: NotMeasured = isTheirs ? { ...about, skipped: reason } : { ...about, failed: reason }
      place.emit(row)
    })
  }
}

/** All wanted rows of one engine in one runtime. */
export const measure = async (place: Place): Promise<void> => {
  await againstPytorch(place)
  for (const self of selves(place.options)) await withItself(place, self)
  await attentionMemory(place)
  await smallStep(place)
}

/** Whether a row is a measurement. */
export const isMeasured = (row: Row): row is Measured => "ratio" in row
