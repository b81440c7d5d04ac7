import type { PlatformError } from "effect"
import { Effect, FileSystem, Path } from "effect"
import type { ImageDecoder } from "../../lib/image/index.ts"
import { verifyAttention } from "./attention.ts"
import { verifyCheckpoints } from "./checkpoints.ts"
import { verifyContrastiveWorld } from "./contrastiveWorld.ts"
import type { Check } from "./families.ts"
import { families, familyOf, isCompanion } from "./families.ts"
import type { Engine } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { readGolden } from "./golden.ts"
import { verifyMetrics } from "./metrics.ts"
import { verifyPreprocess } from "./preprocess.ts"
import type { Row } from "./row.ts"
import { failedRow, notCoveredRow } from "./row.ts"
import { verifySchedule } from "./schedule.ts"
import { verifyTinyModel } from "./tinyModels.ts"
import { verifyTokenizer } from "./tokenizer.ts"
import { verifyTraining } from "./training.ts"

/** What became of a golden directory. */
export interface VerifyReport {
  readonly directory: string
  /** In the order of the files' names. */
  readonly rows: ReadonlyArray<Row>
  /** Known families of which the directory has no file. */
  readonly absent: ReadonlyArray<string>
  /** Entries of the directory that belong to no known family. */
  readonly unknown: ReadonlyArray<string>
  readonly passed: number
  readonly failed: number
  readonly notCovered: number
}

/** The check of one file's tensors on an engine. */
interface TensorCheck {
  <E>(golden: Golden, engine: Engine<E>): EngineRows<E>
}

const tensorChecks: Readonly<Partial<Record<Check, TensorCheck>>> = {
  attention: verifyAttention,
  tinyModel: verifyTinyModel,
  training: verifyTraining,
  metrics: verifyMetrics,
  contrastiveWorld: verifyContrastiveWorld
}
const hostChecks: Readonly<Partial<Record<Check, (file: string, bytes: Uint8Array) => ReadonlyArray<Row>>>> = {
  schedule: verifySchedule,
  tokenizer: verifyTokenizer
}

/** The rows of a safetensors file that could be read, and of its tensors that nobody asked for. */
const goldenRows = <E>(golden: Golden, folder: string, check: Check, engine: Engine<E>) =>
  Effect.gen(function* () {
    const verify = tensorChecks[check]
    const rows = verify === undefined ? yield* verifyPreprocess(golden, folder) : yield* verify(golden, engine)
    return [...rows, ...golden.unread()]
  })

const unreadable = (file: string) => (error: { readonly message: string }): Effect.Effect<ReadonlyArray<Row>> =>
  Effect.succeed([failedRow(file, "file", error.message)])

const contentRows =
  <E>(path: Path.Path, directory: string, file: string, check: Check, engine: Engine<E>) => (bytes: Uint8Array) => {
    const host = hostChecks[check]
    if (host !== undefined) return Effect.sync(() => host(file, bytes))
    const folder = path.join(directory, file.replace(/\.safetensors$/, ""))
    return Effect.matchEffect(readGolden(file, bytes), {
      onFailure: unreadable(file),
      onSuccess: (golden) => goldenRows(golden, folder, check, engine)
    })
  }

const fileRows = <E>(directory: string, file: string, check: Check, engine: Engine<E>) =>
  Effect.gen(function* () {
    if (check === "none") return [notCoveredRow(file, "file", "this family is not covered yet")]
    if (check === "checkpoint") return yield* verifyCheckpoints(directory, file, engine)
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    return yield* Effect.matchEffect(fs.readFile(path.join(directory, file)), {
      onFailure: unreadable(file),
      onSuccess: contentRows(path, directory, file, check, engine)
    })
  })

/**
 * Recomputes every case of a golden directory that is laid out as GOLDENS.md says, with the library's own models,
 * losses, optimizer, metrics, transforms and tokenizer. Files, cases, names and sizes are discovered. Tensors live on the
 * engine and nothing is left there; float64 families run on the host. A tensor or a file that is not as
 * described, or cannot be read, is a failed row; the effect fails only where the directory cannot be listed, or the engine.
 */
export const verify = <E = never>(
  directory: string,
  engine: Engine<E>
): Effect.Effect<
  VerifyReport,
  PlatformError.PlatformError | E,
  FileSystem.FileSystem | Path.Path | ImageDecoder
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const entries = (yield* fs.readDirectory(directory)).filter((name) => !name.startsWith(".")).toSorted()
    const rows: Array<Row> = []
    for (const file of entries) {
      const family = familyOf(file)
      if (family !== undefined) rows.push(...yield* fileRows(directory, file, family.check, engine))
    }
    const count = (verdict: Row["verdict"]): number => rows.filter((row) => row.verdict === verdict).length
    return {
      directory,
      rows,
      absent: families.filter(({ pattern }) => !entries.some((name) => pattern.test(name))).map(({ label }) => label),
      unknown: entries.filter((name) => familyOf(name) === undefined && !isCompanion(name)),
      passed: count("passed"),
      failed: count("failed"),
      notCovered: count("notCovered")
    }
  })
