import { Effect } from "effect"
import type { Trained } from "../lib/api/index.ts"
import type { AnyClip, Arrays, LoadedCheckpoint, NamedArray, UnsafePickle } from "../lib/checkpoint/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import { sha256 } from "../lib/checkpoint/checksum.ts"
import { CheckpointError, CheckpointStore, readArrays } from "../lib/checkpoint/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { fitContext, interpolatePositions } from "../lib/models/index.ts"
import { specsOf } from "../lib/nn/index.ts"
import type { Params, Shape } from "../lib/tensor/index.ts"
import { sameShape, showShape } from "../lib/tensor/index.ts"
import type { TrainConfig } from "./config.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"

/** Where a run's initial weights came from, as `config.json` holds it under `init`. */
export interface InitRecord {
  /** What was named; null where weights were given in code. */
  readonly checkpoint: string | null
  readonly model: string
  /** Updates behind the weights. */
  readonly step: number
  /** SHA-256 over the path and SHA-256 of each parameter, by path: the same for the same weights in any format. */
  readonly checksum: string
  /** Parameters that were made to fit another image size or context length. */
  readonly interpolated: ReadonlyArray<string>
}

/** Weights to start from, off the device, with their provenance. */
export interface InitialWeights {
  readonly arrays: Arrays
  readonly record: InitRecord
}

/** Weights as they were found. */
interface Source {
  readonly label: string
  readonly checkpoint: string | null
  readonly model: Pick<AnyClip, "name" | "settings" | "transform">
  readonly step: number
  readonly arrays: Arrays
  /** The model was guessed from shapes, which say nothing about heads or lambdaInit. */
  readonly isInferred: boolean
}

/** What changes what a model computes without changing the shape of a tensor. */
const meaningOf = ({ settings, transform }: Source["model"]): Readonly<Record<string, unknown>> => ({
  lambdaInit: settings.lambdaInit,
  "vision.numHeads": settings.vision.numHeads,
  "text.numHeads": settings.text.numHeads,
  tokenTable: transform.text.tokenTable ?? null
})

const short = (found: unknown): string => {
  const text = JSON.stringify(found)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

const isSquareGrid = (shape: Shape): boolean => shape[0] === 1 && Number.isInteger(Math.sqrt((shape[1] ?? 0) - 1))

/** The positions of another size as the model wants them; undefined where that is not what differs. */
const fitted = (path: string, wanted: Shape, { shape, data }: NamedArray): Float32Array | undefined => {
  const width = wanted.at(-1) ?? 0
  if (width !== shape.at(-1) || wanted.length !== shape.length) return undefined
  if (path === "visual.posEmbed" && isSquareGrid(wanted) && isSquareGrid(shape)) {
    return interpolatePositions(data, { tokens: wanted[1] ?? 0, width })
  }
  return path === "text.posEmbed" ? fitContext(data, { contextLength: wanted[0] ?? 0, width }) : undefined
}

interface Difference {
  readonly name: string
  readonly expected: string
  readonly found: string
}

const refused = (model: string, { label, model: other }: Source, differences: ReadonlyArray<Difference>) => {
  const onlyPositions = differences.every(({ name }) => name.endsWith(".posEmbed"))
  const advice = onlyPositions ?
    'the sizes of pictures or captions differ: ask for init.positions "interpolate", or train a model of those sizes' :
    "start from a checkpoint of the same model, or train the model that the checkpoint is of"
  const list = differences.map(({ name, expected, found }) => `${name}: expected ${expected}, found ${found}`)
  const [first] = differences
  return new CheckpointError({
    reason: "otherModel",
    file: label,
    ...(first === undefined ? {} : { tensor: first.name, expected: first.expected, found: first.found }),
    message: `${label} holds ${other.name}, whose weights do not fit ${model} (${list.join("; ")}): ${advice}`
  })
}

/** The arrays for a model out of a source, strictly but for positions where that is asked for. */
const fit = <P extends Params>(
  model: Clip<P>,
  source: Source,
  positions: TrainConfig["init"]["positions"]
): Effect.Effect<{ readonly arrays: Arrays; readonly interpolated: ReadonlyArray<string> }, CheckpointError> =>
  Effect.suspend(() => {
    const differences: Array<Difference> = []
    const interpolated: Array<string> = []
    const arrays = new Map<string, NamedArray>()
    const specs = specsOf<P>(model.specs)
    for (const { path, spec } of specs) {
      const stored = source.arrays.get(path)
      if (stored !== undefined && sameShape(stored.shape, spec.shape)) {
        arrays.set(path, stored)
        continue
      }
      const data = stored === undefined || positions === "same" ? undefined : fitted(path, spec.shape, stored)
      if (data !== undefined) {
        interpolated.push(path)
        arrays.set(path, { path, shape: spec.shape, data })
      } else {
        const found = stored === undefined ? "none" : showShape(stored.shape)
        differences.push({ name: path, expected: showShape(spec.shape), found })
      }
    }
    const known = new Set(specs.map(({ path }) => path))
    for (const { path, shape } of source.arrays.values()) {
      if (!known.has(path)) differences.push({ name: path, expected: "none", found: showShape(shape) })
    }
    const [ours, theirs] = [source.isInferred ? {} : meaningOf(model), meaningOf(source.model)]
    for (const [name, expected] of Object.entries(ours)) {
      const found = theirs[name]
      if (JSON.stringify(expected) === JSON.stringify(found)) continue
      differences.push({ name, expected: short(expected), found: short(found) })
    }
    return differences.length > 0 ?
      Effect.fail(refused(model.name, source, differences)) :
      Effect.succeed({ arrays, interpolated })
  })

const checksumOf = (arrays: Arrays): Effect.Effect<string> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    for (const { path, data } of arrays.values()) {
      lines.push(`${path} ${yield* sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice())}`)
    }
    return yield* sha256(new TextEncoder().encode(lines.toSorted().join("\n")))
  })

const sourceOf = (checkpoint: string, { model, arrays, state, inference }: LoadedCheckpoint): Source => ({
  label: checkpoint,
  checkpoint,
  model,
  step: state?.step ?? 0,
  arrays,
  isInferred: inference !== undefined
})

/** Failures of a file that does not say its model and is not of the one that it was read as. */
const isOtherShape = ({ reason }: CheckpointError): boolean =>
  reason === "missingTensor" || reason === "unexpectedTensor" || reason === "shape"

/**
 * A file that does not say which model it is of is read as the model that is trained; where that does not fit, as the
 * model that its shapes suggest, so that every difference can be told.
 */
const load = <P extends Params>(checkpoint: string, model: Clip<P>) =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    return yield* store.load(checkpoint, { unlessStored: model }).pipe(
      Effect.catchTag("CheckpointError", (error) => {
        if (!isOtherShape(error)) return Effect.fail(error)
        return store.load(checkpoint).pipe(Effect.catchTag("CheckpointError", () => Effect.fail(error)))
      })
    )
  })

/** A model that is in memory, and how its engine reads it. */
interface InCode<P extends Params> {
  readonly trained: Trained<Clip<P>>
  readonly read: BackendShape["read"]
}

const fromCode = <P extends Params>(
  { trained: { model, params, step }, read }: InCode<P>
): Effect.Effect<Source, UnitError> =>
  Effect.map(readArrays(params, read), (arrays) => ({
    label: `the weights of ${model.name} after step ${step}`,
    checkpoint: null,
    model,
    step,
    isInferred: false,
    arrays: new Map(arrays.map((array) => [array.path, array]))
  }))

/**
 * The weights that a run starts from: those of the CHECKPOINT that the configuration names, or `given`; undefined where
 * neither is there. Every tensor must have the model's shape, and the settings that weights are trained with (heads,
 * lambdaInit, token table) must be the model's; only positions are made to fit, where `init.positions` says so. Fails with
 * a CheckpointError that names each difference with what was expected and found.
 */
export const initialWeights = <P extends Params>(
  model: Clip<P>,
  { checkpoint, positions }: TrainConfig["init"],
  given: InCode<P> | undefined
): Effect.Effect<
  InitialWeights | undefined,
  CheckpointError | UnsafePickle | ConfigInvalid | UnitError,
  CheckpointStore
> =>
  Effect.gen(function* () {
    if (checkpoint !== null && given !== undefined) {
      return yield* invalid("init.checkpoint", "expected none where initial weights are given in code, found one")
    }
    const source = checkpoint !== null ?
      sourceOf(checkpoint, yield* load(checkpoint, model)) :
      given === undefined ?
      undefined :
      yield* fromCode(given)
    if (source === undefined) return undefined
    const { arrays, interpolated } = yield* fit(model, source, positions)
    return {
      arrays,
      record: {
        checkpoint: source.checkpoint,
        model: source.model.name,
        step: source.step,
        checksum: yield* checksumOf(source.arrays),
        interpolated
      }
    }
  })
