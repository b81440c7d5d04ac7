import { Effect, FileSystem, Schema } from "effect"
import type { PlatformError } from "effect"
import { CheckpointError } from "../lib/checkpoint/index.ts"
import type { SkipLedger, SkippedSample } from "../lib/data/index.ts"
import { makeSkipLedger } from "../lib/data/index.ts"
import type { OnBadSample } from "./config.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import { writeBeside } from "./writeBeside.ts"

/** The samples that a run left out, and the file that keeps them. */
export interface SkipRecords {
  readonly ledger: SkipLedger
  /** How many were there when the run began or was resumed. */
  readonly numResumed: number
  /** Brings the file up to date, synced, and gives its number of lines: what a checkpoint stores. */
  readonly write: Effect.Effect<number, CheckpointError>
}

/** Largest file that is read: about two million samples. */
const MAX_BYTES = 400_000_000

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Line: Schema.Codec<SkippedSample> = Schema.Struct({
  dataset: Schema.String,
  epoch: Count,
  place: Count,
  shard: Schema.String,
  key: Schema.String,
  reason: Schema.String
})
const decodeLine = Schema.decodeUnknownEffect(Schema.fromJsonString(Line))

const lineOf = ({ dataset, epoch, place, shard, key, reason }: SkippedSample): string =>
  `${JSON.stringify({ epoch, place, dataset, shard, key, reason })}\n`

const failing = (file: string, reason: "read" | "write") => (error: PlatformError.PlatformError): CheckpointError =>
  new CheckpointError({
    reason,
    file,
    found: error.message,
    message: `${file}: expected to ${reason} the samples that the run left out, found ${error.message}: check the ` +
      "path, its permissions and the free space"
  })

const notWhole = (file: string, expected: string, found: string): CheckpointError =>
  new CheckpointError({
    reason: "malformed",
    file,
    expected,
    found,
    message:
      `${file}: expected ${expected}, found ${found}: restore the file, or start the run afresh; without it the ` +
      "order of the samples would not be that of the run"
  })

/** The first `count` samples of the file. Lines after them are of steps after the checkpoint and do not count. */
const readFirst = (
  file: string,
  count: number
): Effect.Effect<ReadonlyArray<SkippedSample>, CheckpointError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const expected = `the ${count} samples that the checkpoint says were left out`
    const isThere = yield* Effect.mapError(fs.exists(file), failing(file, "read"))
    if (!isThere) return yield* notWhole(file, expected, "no file")
    const { size } = yield* Effect.mapError(fs.stat(file), failing(file, "read"))
    if (size > BigInt(MAX_BYTES)) return yield* notWhole(file, `at most ${MAX_BYTES} bytes`, `${size}`)
    const lines = (yield* Effect.mapError(fs.readFileString(file), failing(file, "read"))).split("\n").slice(0, -1)
    if (lines.length < count) return yield* notWhole(file, expected, `${lines.length}`)
    return yield* Effect.forEach(
      lines.slice(0, count),
      (line, i) =>
        Effect.mapError(
          decodeLine(line),
          () => notWhole(file, "a skipped sample in each line", `another line ${i + 1}`)
        )
    )
  })

/** What a run goes on from: how many skipped samples its checkpoint knows, and the name that its data set had then. */
export interface SkipResume {
  readonly count: number
  readonly dataset: { readonly before: string; readonly now: string }
}

/** How many skipped samples a checkpoint's state knows, and the name that the data set had when it was written. */
export const skippedIn = (extra: AnyRecord, now: string): SkipResume => {
  const { run, skipped } = extra
  const dataset = isRecord(run) && isRecord(run["dataset"]) ? run["dataset"]["name"] : now
  return {
    count: typeof skipped === "number" ? skipped : 0,
    dataset: { before: typeof dataset === "string" ? dataset : now, now }
  }
}

/**
 * Opens `skipped.jsonl`: the samples that a run left out, one a line, in the order in which they were met, and only those
 * that the resumed checkpoint knows. Data that moved have another name, under which they are known from then on. Nothing
 * is written before a sample was skipped. Fails with CheckpointError: `malformed` where lines are missing or are no such
 * samples, `read`, `write`.
 */
export const openSkipRecords = (
  file: string,
  onBadSample: OnBadSample,
  resume: SkipResume | undefined
): Effect.Effect<SkipRecords, CheckpointError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const isThere = yield* Effect.mapError(fs.exists(file), failing(file, "read"))
    const kept = resume === undefined || resume.count === 0 ? [] : yield* readFirst(file, resume.count)
    if (isThere) {
      const text = kept.map(lineOf).join("")
      const put = text === "" ?
        fs.remove(file) :
        Effect.provideService(writeBeside(file, text), FileSystem.FileSystem, fs)
      yield* Effect.mapError(put, failing(file, "write"))
    }
    const names = resume?.dataset
    const ledger = makeSkipLedger(
      onBadSample,
      kept.map((sample) => sample.dataset === names?.before ? { ...sample, dataset: names.now } : sample)
    )
    let written = kept.length
    const write = Effect.suspend(() => {
      const fresh = ledger.entries.slice(written)
      if (fresh.length === 0) return Effect.succeed(written)
      const append = Effect.scoped(Effect.gen(function* () {
        const handle = yield* fs.open(file, { flag: "a" })
        yield* handle.writeAll(new TextEncoder().encode(fresh.map(lineOf).join("")))
        yield* handle.sync
      }))
      return Effect.map(Effect.mapError(append, failing(file, "write")), () => {
        written += fresh.length
        return written
      })
    })
    return { ledger, numResumed: kept.length, write }
  })

/** `3 bad samples were skipped (badImage 2, missingCaption 1)`; undefined for none. */
export const skippedText = (entries: ReadonlyArray<SkippedSample>): string | undefined => {
  if (entries.length === 0) return undefined
  const counts = new Map<string, number>()
  for (const { reason } of entries) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const reasons = [...counts].toSorted(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} ${count}`)
  const samples = entries.length === 1 ? "1 bad sample was" : `${entries.length} bad samples were`
  return `${samples} skipped (${reasons.join(", ")})`
}
