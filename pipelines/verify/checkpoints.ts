import { Effect, FileSystem, Path, Result, Schema } from "effect"
import type { PlatformError } from "effect"
import type { CheckpointError, LoadedModel, TensorFile, TorchFile } from "../../lib/checkpoint/index.ts"
import { decayGroups, entryOf, loadModel, openTensorFile, optimizerOf, withLoaded } from "../../lib/checkpoint/index.ts"
import { disposeParams } from "../../lib/tensor/index.ts"
import type { Engine } from "../reading.ts"
import { concatReadings, mapReading, readingOfCopy } from "../reading.ts"
import { bitRow, equalRow, numbersOf, plainOf } from "./checkpointRows.ts"
import { extrasRows } from "./checkpointExtras.ts"
import type { Golden } from "./golden.ts"
import type { EngineRows } from "./golden.ts"
import { check, GoldenProblem, guarded, performGuarded, readGolden } from "./golden.ts"
import { sizesOf } from "./goldenModel.ts"
import type { Limit, Row } from "./row.ts"
import { abs, err, failedRow } from "./row.ts"
import { reading, tensorOf } from "./tensors.ts"

/** GOLDENS 7. Weights and optimizer state: bit for bit. */
const limits = { embed: abs(2e-5), logitScale: err(1e-5) }

/** Golden checkpoints are small: a larger one is not what GOLDENS.md describes. */
const MAX_BYTES = 2 ** 30
const STATE = "state_dict."

const Texts = Schema.Array(Schema.String)

/** The weights, in the order of the file. */
const stateRows = (golden: Golden, opened: TensorFile): Effect.Effect<ReadonlyArray<Row>, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = opened
    const expected = golden.names.filter((name) => name.startsWith(STATE)).map((name) => name.slice(STATE.length))
    const rows = [equalRow(file, "names of state_dict", [...opened.tensors.keys()].toSorted(), expected.toSorted())]
    for (const name of expected) {
      const tensor = opened.tensors.get(name)
      const { shape, data } = golden.tensor(`${STATE}${name}`)
      if (tensor?.shape.join() !== shape.join()) {
        rows.push(failedRow(file, name, `expected shape [${shape.join(", ")}], found [${tensor?.shape.join(", ")}]`))
      } else rows.push(bitRow(file, `${STATE}${name}`, numbersOf(yield* tensor.read), data))
    }
    return rows
  })

/** What stands beside the weights: epoch, accuracy, args, and the names of a zip's records. */
const besideRows = (golden: Golden, { file, root, records }: TorchFile): ReadonlyArray<Row> => {
  const named = golden.json("zip_records", Texts)
  const folder = `${file.replace(/\.pt$/, "")}/`
  return [
    equalRow(file, "epoch", plainOf(entryOf(root, "epoch")), Number(golden.text("epoch"))),
    equalRow(file, "best_acc1", plainOf(entryOf(root, "best_acc1")), Number(golden.text("best_acc1"))),
    equalRow(file, "args", plainOf(entryOf(root, "args")), golden.json("args", Schema.Unknown)),
    equalRow(file, "scaler", plainOf(entryOf(root, "scaler")), {}),
    // The records are those of the file whose folder they name.
    ...(records.length > 0 && named[0]?.startsWith(folder) === true ?
      [equalRow(file, "zip_records", records.slice(0, named.length), named)] :
      [])
  ]
}

/** The optimizer: which number is which parameter, the settings of both groups, and the moments that are stored. */
const optimizerRows = (
  golden: Golden,
  file: string,
  torch: TorchFile,
  { model }: LoadedModel
): Effect.Effect<ReadonlyArray<Row>, CheckpointError> =>
  Effect.gen(function* () {
    const optimizer = yield* optimizerOf(torch, model.settings)
    if (optimizer === undefined) return [failedRow(file, "optimizer", "expected an optimizer, the file has none")]
    const names = decayGroups(model.settings).map((group) => group.map(({ name }) => `module.${name}`))
    const settings = plainOf(entryOf(entryOf(torch.root, "optimizer"), "param_groups"))
    const isTensor = golden.text("step_type").includes("Tensor")
    const rows = [
      equalRow(file, "param_group_names", names, golden.json("param_group_names", Schema.Unknown)),
      equalRow(file, "param_groups", settings, golden.json("param_groups", Schema.Unknown)),
      equalRow(file, "optimizer: parameters with a state", optimizer.state.size, names.flat().length)
    ]
    for (const { index, name, step, expAvg, expAvgSq } of optimizer.state.values()) {
      const stored = entryOf(entryOf(entryOf(torch.root, "optimizer"), "state"), index)
      const isStored = typeof entryOf(stored, "step") === "object"
      rows.push(equalRow(file, `optimizer.${index}.step (${name})`, yield* step, Number(golden.text("optimizer_step"))))
      if (isStored !== isTensor) rows.push(failedRow(file, `optimizer.${index}.step`, golden.text("step_type")))
      for (const [key, moment] of [["exp_avg", expAvg], ["exp_avg_sq", expAvgSq]] as const) {
        const full = `optimizer.${index}.${key}`
        if (golden.has(full)) rows.push(bitRow(file, full, yield* moment, golden.tensor(full).data))
      }
    }
    return rows
  })

/** What the model that was loaded gives for the stored inputs, on an engine. */
const embeddingRows = <E>(golden: Golden, file: string, loaded: LoadedModel, engine: Engine<E>): EngineRows<E> =>
  performGuarded(engine, file, "embeddings", () =>
    withLoaded(loaded, (model, params) => {
      const images = tensorOf(golden, "images")
      const tokens = tensorOf(golden, "tokens", undefined, "int32")
      const row = (name: string, found: Float32Array, limit: Limit): ReadonlyArray<Row> => [
        { ...check(golden, name, found, limit), file }
      ]
      const readings = [
        reading(model.encodeImage(params, images), (found) => row("image_embed", found, limits.embed)),
        reading(model.encodeText(params, tokens), (found) => row("text_embed", found, limits.embed)),
        mapReading(
          readingOfCopy(model.logitScale(params).tensor),
          (found) => row("logit_scale", found.map(Math.exp), limits.logitScale)
        )
      ]
      disposeParams(params)
      return concatReadings(readings)
    }))

/** What became of one file: its rows, and the model whose embeddings are still to be checked. */
interface Checked {
  readonly rows: ReadonlyArray<Row>
  readonly loaded?: LoadedModel
}

const tinyRows = (golden: Golden, opened: TensorFile, torch: TorchFile): Effect.Effect<Checked, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = opened
    const loaded = yield* loadModel(opened)
    const { kind: _, lambdaInit: __, ...sizes } = loaded.model.settings
    const rows = [
      ...(yield* stateRows(golden, opened)),
      ...guarded(file, "metadata", () => besideRows(golden, { ...torch, file })),
      ...guarded(file, "model", () => [equalRow(file, "inferred sizes", sizes, sizesOf(golden))]),
      ...(yield* optimizerRows(golden, file, torch, loaded))
    ]
    return { rows, loaded }
  })

/** Everything of a file but the embeddings. A file that cannot be read is a failed row. */
const fileRows = (
  golden: Golden,
  directory: string,
  file: string
): Effect.Effect<Checked, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const opened = { ...(yield* openTensorFile(fs, path.join(directory, file), MAX_BYTES)), file }
    const { torch } = opened
    if (torch === undefined) return { rows: [failedRow(file, "file", "expected a PyTorch file, found safetensors")] }
    const isExtras = [...opened.tensors.keys()].some((name) => golden.has(`extras.${name}`))
    return isExtras ? { rows: yield* extrasRows(golden, opened, torch) } : yield* tinyRows(golden, opened, torch)
  }).pipe(
    Effect.scoped,
    Effect.catch(({ message }): Effect.Effect<Checked> => Effect.succeed({ rows: [failedRow(file, "file", message)] })),
    // A tensor that the expected values lack is thrown for by them.
    Effect.catchDefect((cause): Effect.Effect<Checked> =>
      cause instanceof GoldenProblem ?
        Effect.succeed({ rows: [failedRow(file, "file", cause.message)] }) :
        Effect.die(cause)
    )
  )

/**
 * Rows of a family of checkpoints: every `.pt` file of the directory against the file of expected values, which `file`
 * is: weights and optimizer state bit for bit, dtypes, strides, metadata, and the embeddings of the loaded model. A `.pt`
 * file itself gives no rows, but for a failure where no file of expected values lies beside it. Source: GOLDENS 7.
 */
export const verifyCheckpoints = <E>(
  directory: string,
  file: string,
  engine: Engine<E>
): Effect.Effect<ReadonlyArray<Row>, PlatformError.PlatformError | E, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const entries = (yield* fs.readDirectory(directory)).filter((name) => name.startsWith("checkpoint_")).toSorted()
    if (file.endsWith(".pt")) {
      return entries.some((name) => name.endsWith(".safetensors")) ?
        [] :
        [failedRow(file, "file", "expected checkpoint_expected.safetensors beside it, found none")]
    }
    const bytes = yield* fs.readFile(path.join(directory, file))
    const golden = yield* Effect.result(readGolden(file, bytes))
    if (Result.isFailure(golden)) return [failedRow(file, "file", golden.failure.message)]
    const files = entries.filter((name) => name.endsWith(".pt"))
    if (files.length === 0) return [failedRow(file, "file", "expected checkpoint_*.pt beside it, found none")]
    const rows: Array<Row> = []
    for (const name of files) {
      const { rows: found, loaded } = yield* fileRows(golden.success, directory, name)
      rows.push(...found)
      if (loaded !== undefined) rows.push(...yield* embeddingRows(golden.success, name, loaded, engine))
    }
    return [...rows, ...golden.success.unread()]
  })
