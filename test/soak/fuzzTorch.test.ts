import { Cause, Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import type { TensorFile, TensorToWrite } from "../../lib/checkpoint/index.ts"
import {
  bytesOf,
  encodeSafetensors,
  encodeTorch,
  memorySource,
  openTensors,
  readSafetensors
} from "../../lib/checkpoint/index.ts"
import { attempt, pickleFailures } from "../../lib/checkpoint/torch/failures.ts"
import { makeStorages } from "../../lib/checkpoint/torch/storages.ts"
import { unpickle } from "../../lib/checkpoint/torch/unpickle.ts"
import { readDirectory } from "../../lib/checkpoint/torch/zipDirectory.ts"
import { readRecord } from "../../lib/checkpoint/torch/zipRecord.ts"
import { pickleTree } from "../../pipelines/inspect/pickleTree.ts"
import { fold, integerBelow, keyOf, uniformSequence } from "../../lib/tensor/index.ts"
import { golden } from "../checkpoint/torch/pickles.ts"

/** More by option: `DIFFCLIP_FUZZ=100000 npm run test:soak`. */
const rounds = Number(process.env["DIFFCLIP_FUZZ"] ?? "10000")

/** What a reader may keep of a file of some thousand bytes, whatever it claims. */
const MAX_GROWTH = 256 * 1024 * 1024

/** A copy with a few bytes changed, cut, doubled, or with a number put where one may stand; a function of (name, round). */
const mutated = (bytes: Uint8Array, name: string, round: number, hot: readonly [number, number]): Uint8Array => {
  const next = uniformSequence(fold(keyOf(17), name, round))
  const out = Uint8Array.from(bytes)
  const kind = integerBelow(next, 8)
  const [begin, end] = kind % 2 === 0 ? hot : [0, out.length]
  const place = (): number => begin + integerBelow(next, Math.max(1, end - begin))
  if (kind === 0) return out.subarray(0, integerBelow(next, out.length))
  if (kind === 1) {
    const at = integerBelow(next, out.length)
    const doubled = new Uint8Array(at + out.length - Math.floor(at / 2))
    doubled.set(out.subarray(0, at))
    doubled.set(out.subarray(Math.floor(at / 2)), at)
    return doubled
  }
  if (kind === 2) {
    // Large sizes and offsets, which decide on what is allocated.
    const values = [[255, 255, 255, 255], [255, 255, 255, 127], [0, 0, 0, 128], [0, 0, 0, 0]]
    out.set(values[integerBelow(next, 4)] ?? [], Math.min(place(), Math.max(0, out.length - 4)))
    return out
  }
  if (kind === 3) {
    // A piece of the file somewhere else in it: opcodes and records in another order.
    const from = place()
    out.copyWithin(place(), from, from + integerBelow(next, 64))
    return out
  }
  for (let i = 0; i <= integerBelow(next, 8); i++) out[place()] = integerBelow(next, 256)
  return out
}

const expectTyped = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>, round: number): void => {
  if (Exit.isSuccess(exit)) return
  const isTyped = exit.cause.reasons.every((reason) =>
    Cause.isFailReason(reason) && ["CheckpointError", "UnsafePickle"].includes(reason.error._tag)
  )
  if (!isTyped) expect.fail(`round ${round}: ${Cause.pretty(exit.cause)}`)
}

const readAll = ({ tensors, torch }: TensorFile) =>
  Effect.gen(function* () {
    for (const tensor of tensors.values()) yield* tensor.read
    if (torch !== undefined) pickleTree(torch.root)
  })

/** Runs a reader on every mutation, and looks at what is left in memory: typed errors only, and no more than the cap. */
const fuzz = <A, E extends { readonly _tag: string }>(
  name: string,
  bytes: Uint8Array,
  read: (file: Uint8Array) => Effect.Effect<A, E>,
  hot: readonly [number, number] = [0, bytes.length]
): void => {
  const before = process.memoryUsage()
  for (let round = 0; round < rounds; round++) {
    expectTyped(Effect.runSyncExit(read(mutated(bytes, name, round, hot))), round)
    if (round % 1000 !== 0) continue
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(MAX_GROWTH)
    expect(heapUsed - before.heapUsed).toBeLessThan(2 * MAX_GROWTH)
  }
}

/** A small checkpoint with what the published ones have: its files are quick to read, so many can be tried. */
const extras = golden("checkpoint_extras.pt")
const smallTensors: ReadonlyArray<TensorToWrite> = [
  { name: "a", dtype: "F32", shape: [2, 3], bytes: new Uint8Array(24) },
  { name: "b", dtype: "I64", shape: [2], bytes: new Uint8Array(16) },
  { name: "ü", dtype: "BF16", shape: [], bytes: new Uint8Array(2) }
]
const small = bytesOf(encodeTorch(smallTensors))
/** The pickle of the extras: every opcode and global that the golden files have but NEWOBJ and BUILD. */
const dataPickle = (() => {
  const records = Effect.runSync(Effect.gen(function* () {
    const source = memorySource("extras", extras)
    const record = (yield* readDirectory(source)).get("checkpoint_extras/data.pkl")
    return record === undefined ? new Uint8Array(0) : yield* readRecord(source, record, 1e6)
  }))
  return Uint8Array.from(records)
})()

describe("broken checkpoints give a typed error, never a defect", () => {
  it("pickles", () => {
    expect(dataPickle.length).toBe(1755)
    fuzz("pickle", dataPickle, (bytes) => {
      const failures = pickleFailures("fuzz")
      const storages = makeStorages(failures, 5000)
      return Effect.map(
        attempt(() => unpickle(bytes, 0, { failures, persistent: storages.resolve })),
        ({ value }) => pickleTree(value)
      )
    })
  })

  it("zips, down to every tensor", () => {
    const open = (bytes: Uint8Array) => Effect.flatMap(openTensors(memorySource("fuzz", bytes)), readAll)
    fuzz("zip", extras, open, [extras.length - 1500, extras.length])
  })

  it("zip64", () => {
    const long = bytesOf(
      encodeTorch([{ name: "a", dtype: "F32", shape: [6], bytes: new Uint8Array(24) }], {}, "always")
    )
    const open = (bytes: Uint8Array) => Effect.flatMap(openTensors(memorySource("fuzz", bytes)), readAll)
    fuzz("zip64", long, open, [long.length - 400, long.length])
  })

  it("legacy files", () => {
    const legacy = golden("checkpoint_extras_legacy.pt")
    fuzz("legacy", legacy, (bytes) => Effect.flatMap(openTensors(memorySource("fuzz", bytes)), readAll))
  })

  it("our own exports", () => {
    fuzz("export", small, (bytes) => Effect.flatMap(openTensors(memorySource("fuzz", bytes)), readAll))
  })

  it("safetensors", () => {
    const metadata = { format: "pt", config: JSON.stringify({ kind: "clip", imageSize: 4 }) }
    const file = bytesOf(encodeSafetensors(smallTensors, metadata))
    fuzz("safetensors", file, (bytes) => readSafetensors("fuzz", bytes), [0, file.length - 60])
  })
})
