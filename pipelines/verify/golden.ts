import { Effect, Result, Schema } from "effect"
import { readSafetensors, toFloat32, toIntegers } from "../../lib/checkpoint/index.ts"
import type { CheckpointError } from "../../lib/checkpoint/index.ts"
import { ShapeError } from "../../lib/tensor/index.ts"
import type { Engine, Reading } from "../reading.ts"
import { perform } from "../reading.ts"
import type { Limit, Numbers, Row } from "./row.ts"
import { compare, failedRow, notCoveredRow } from "./row.ts"

/** A golden file does not hold what GOLDENS.md says it holds. Thrown by the families, made a failed row by `guarded`. */
export class GoldenProblem extends Error {
  readonly _tag = "GoldenProblem" as const
}

/** One stored tensor, row-major: U8 as bytes, other whole numbers as doubles, the rest as float32. */
export interface GoldenTensor {
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array | Float64Array | Uint8Array
}

/** A golden file under verification. It notes which tensors were asked for, so that none goes unnoticed. */
export interface Golden {
  /** Its name in the golden directory. */
  readonly file: string
  /** All tensors, in the order of the file. */
  readonly names: ReadonlyArray<string>
  readonly has: (name: string) => boolean
  /** Throws GoldenProblem when there is none of that name. */
  readonly tensor: (name: string) => GoldenTensor
  /** The metadata under a key, which are JSON. Throws GoldenProblem when they are absent or of another form. */
  readonly json: <A>(key: string, schema: Schema.Decoder<A>) => A
  /** The metadata under a key as the text that they are. Throws GoldenProblem when absent. */
  readonly text: (key: string) => string
  /** The keys of all metadata. */
  readonly keys: ReadonlyArray<string>
  /** Rows `not covered` for tensors that nobody asked for. */
  readonly unread: () => ReadonlyArray<Row>
}

/** Decodes JSON that was parsed; throws GoldenProblem with the paths that do not fit. */
export const decode = <A>(what: string, schema: Schema.Decoder<A>, input: unknown): A => {
  const result = Schema.decodeUnknownResult(schema)(input)
  if (Result.isSuccess(result)) return result.success
  throw new GoldenProblem(`${what}: expected what GOLDENS.md describes, found: ${result.failure.message}`)
}

/** Parses JSON; throws GoldenProblem for a text that is none. */
export const parseJson = (what: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new GoldenProblem(`${what}: expected JSON, found: ${cause.message}`)
    throw cause
  }
}

/** What a safetensors file holds. */
export interface GoldenContents {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, GoldenTensor>
}

/** Reads a golden file. Fails with CheckpointError where it is no safetensors file. */
export const readGolden = (file: string, bytes: Uint8Array): Effect.Effect<Golden, CheckpointError> =>
  Effect.gen(function* () {
    const { metadata, tensors } = yield* readSafetensors(file, bytes)
    const read = new Map<string, GoldenTensor>()
    for (const [name, tensor] of tensors) {
      const { shape, dtype } = tensor
      const data = dtype === "U8" ?
        tensor.bytes :
        yield* dtype.includes("F") ? toFloat32(file, tensor) : toIntegers(file, tensor)
      read.set(name, { shape, data })
    }
    return openGolden(file, { metadata, tensors: read })
  })

/** A golden file from its contents. */
export const openGolden = (file: string, { metadata, tensors }: GoldenContents): Golden => {
  const read = new Set<string>()
  const text = (key: string): string => {
    const found = metadata[key]
    if (found === undefined) throw new GoldenProblem(`${file}: expected metadata ${key}, the file has none`)
    return found
  }
  return {
    file,
    names: [...tensors.keys()],
    has: (name) => tensors.has(name),
    tensor: (name) => {
      const found = tensors.get(name)
      if (found === undefined) throw new GoldenProblem(`expected a tensor ${name}, the file has none`)
      read.add(name)
      return found
    },
    text,
    json: (key, schema) => decode(`metadata ${key}`, schema, parseJson(`metadata ${key}`, text(key))),
    keys: Object.keys(metadata),
    unread: () =>
      [...tensors.keys()].filter((name) => !read.has(name)).map((name) =>
        notCoveredRow(file, name, "a tensor that GOLDENS.md does not describe")
      )
  }
}

/** A row for a stored tensor that must be there: its absence is a failure. */
export const check = (golden: Golden, name: string, found: Numbers, limit: Limit, note?: string): Row =>
  golden.has(name) ?
    compare(golden.file, name, found, golden.tensor(name).data, limit, note) :
    failedRow(golden.file, name, "expected this tensor in the file, which has none of that name")

/** Rows for a stored float32 result and for its float64 partner `NAME64`; both must be there. */
export const checkBoth = (golden: Golden, name: string, found: Numbers, limit: Limit): ReadonlyArray<Row> => [
  check(golden, name, found, limit),
  check(golden, `${name}64`, found, limit)
]

const problemOf = (cause: unknown): string | undefined =>
  cause instanceof GoldenProblem || cause instanceof ShapeError || cause instanceof RangeError ?
    cause.message :
    undefined

/** Runs one case; what the file lacks or holds in a wrong form becomes a failed row under the case's name. */
export const guarded = (file: string, name: string, run: () => ReadonlyArray<Row>): ReadonlyArray<Row> => {
  try {
    return run()
  } catch (cause) {
    const problem = problemOf(cause)
    if (problem !== undefined) return [failedRow(file, name, problem)]
    throw cause
  }
}

/** Rows that need an engine. */
export type EngineRows<E> = Effect.Effect<ReadonlyArray<Row>, E>

/** `guarded` for a case that runs on an engine, in one unit or several. */
export const guardedEffect = <E>(file: string, name: string, run: () => EngineRows<E>): EngineRows<E> =>
  Effect.catchDefect(Effect.suspend(run), (cause) => {
    const problem = problemOf(cause)
    return problem === undefined ? Effect.die(cause) : Effect.succeed([failedRow(file, name, problem)])
  })

/** `guarded` for a case that is one unit of work: its tensors are read, then compared. */
export const performGuarded = <E>(
  engine: Engine<E>,
  file: string,
  name: string,
  unit: () => Reading<ReadonlyArray<Row>>
): EngineRows<E> => guardedEffect(file, name, () => perform(engine, unit))

/** The rows of several cases, one case after the other. */
export const inTurn = <E>(cases: ReadonlyArray<EngineRows<E>>): EngineRows<E> =>
  Effect.map(Effect.all(cases), (rows) => rows.flat())
