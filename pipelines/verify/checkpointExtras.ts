import { Effect, Schema } from "effect"
import type { CheckpointError, TensorFile, TorchFile } from "../../lib/checkpoint/index.ts"
import { entryOf, exactIntegersOf, stateDictOf } from "../../lib/checkpoint/index.ts"
import { bitRow, equalRow, numbersOf, plainOf } from "./checkpointRows.ts"
import type { Golden } from "./golden.ts"
import { guarded } from "./golden.ts"
import type { Row } from "./row.ts"

/** torch's names of element types as safetensors has them. */
const dtypeNames: Readonly<Record<string, string>> = {
  "torch.float16": "F16",
  "torch.bfloat16": "BF16",
  "torch.float32": "F32",
  "torch.float64": "F64",
  "torch.int64": "I64",
  "torch.int32": "I32",
  "torch.uint8": "U8",
  "torch.bool": "BOOL"
}

/** What GOLDENS 7 writes out of these files, since the expected values are tensors only. */
const written = {
  epoch: 3,
  scaler: { scale: 65536, growth_factor: 2, backoff_factor: 0.5, growth_interval: 2000, _growth_tracker: 7 },
  best_acc1: 0,
  note: "héllo ✓",
  nested: {
    list: [1, 2.5, null, true, "x"],
    tuple: [1, [2, 3]],
    big: "1180591620717411303424",
    neg: -5,
    bytes: [0, 255]
  }
}

const Texts = Schema.Record(Schema.String, Schema.String)
const Sizes = Schema.Record(Schema.String, Schema.Array(Schema.Int))
const Counts = Schema.Record(Schema.String, Schema.Int)
const Integers = Schema.Array(Schema.Int)
const PREFIX = "extras."

/** The dtypes, shapes, strides and offsets that the file's tensors should have, under their names. */
const layoutsOf = (golden: Golden): ReadonlyMap<string, unknown> => {
  const [dtypes, shapes] = [golden.json("extras_dtypes", Texts), golden.json("extras_shapes", Sizes)]
  const [strides, offsets] = [golden.json("extras_strides", Sizes), golden.json("extras_offsets", Counts)]
  return new Map(
    Object.entries(dtypes).map(([name, dtype]) => [
      name,
      { dtype: dtypeNames[dtype], shape: shapes[name], stride: strides[name], offset: offsets[name] }
    ])
  )
}

/** Rows of a file of unusual dtypes and layouts: each tensor's layout and numbers, and the values beside them. */
export const extrasRows = (
  golden: Golden,
  opened: TensorFile,
  torch: TorchFile
): Effect.Effect<ReadonlyArray<Row>, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = opened
    const views = yield* stateDictOf(torch)
    const rows: Array<Row> = [
      ...guarded(file, "layouts", () =>
        [...layoutsOf(golden)].map(([name, expected]) => {
          const { storage, shape, stride, offset } = views.get(name) ?? {}
          return equalRow(file, `layout of ${name}`, { dtype: storage?.dtype, shape, stride, offset }, expected)
        }))
    ]
    for (const [name, tensor] of opened.tensors) {
      const stored = yield* tensor.read
      rows.push(...guarded(file, name, () => {
        const { data, shape } = golden.tensor(`${PREFIX}${name}`)
        return [equalRow(file, `shape of ${name}`, stored.shape, shape), bitRow(file, name, numbersOf(stored), data)]
      }))
      if (stored.dtype !== "I64") continue
      rows.push(...guarded(file, name, () => {
        const expected = golden.json("extras_int64", Integers).map(String)
        return [equalRow(file, `${name}, exact`, exactIntegersOf(stored.bytes).map(String), expected)]
      }))
    }
    for (const [key, expected] of Object.entries(written)) {
      rows.push(equalRow(file, key, plainOf(entryOf(torch.root, key)), expected))
    }
    return rows
  })
