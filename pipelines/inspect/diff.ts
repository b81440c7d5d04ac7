import { Effect } from "effect"
import type { CheckpointError, LazyTensor, StoredTensor, TensorFile } from "../../lib/checkpoint/index.ts"
import { byPlainName, exactIntegersOf, floatsOf, integersOf, isFloatDtype } from "../../lib/checkpoint/index.ts"

/** How two tensors of one name differ; only what differs is there. */
export interface TensorDifference {
  readonly name: string
  readonly shapes?: readonly [ReadonlyArray<number>, ReadonlyArray<number>]
  readonly dtypes?: readonly [string, string]
  /** Elements whose numbers differ, where the shapes are equal. NaN equals NaN; 0 equals -0 where dtypes differ. */
  readonly numDifferent?: number
  /** Over elements that are numbers on both sides; Infinity where one side is not finite and the other differs. */
  readonly maxAbsDifference?: number
}

/** What two files of tensors have in common, and what not. Names are without one leading `module.`. */
export interface DiffReport {
  readonly files: readonly [string, string]
  readonly numCompared: number
  readonly onlyInFirst: ReadonlyArray<string>
  readonly onlyInSecond: ReadonlyArray<string>
  readonly different: ReadonlyArray<TensorDifference>
  readonly isEqual: boolean
}

type Elements = Float32Array | Float64Array | ReadonlyArray<bigint>

const elementsOf = ({ dtype, bytes }: StoredTensor): Elements => {
  if (dtype === "I64") return exactIntegersOf(bytes)
  if (dtype !== "F64") return isFloatDtype(dtype) ? floatsOf(dtype, bytes) : integersOf(dtype, bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float64Array.from({ length: bytes.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true))
}

const distance = (a: number | bigint, b: number | bigint): number => {
  if (typeof a === "bigint" && typeof b === "bigint") return Math.abs(Number(a - b))
  const difference = Math.abs(Number(a) - Number(b))
  return Number.isNaN(difference) ? Infinity : difference
}

const isSame = (a: number | bigint | undefined, b: number | bigint | undefined, isOfOneType: boolean): boolean =>
  isOfOneType ? Object.is(a, b) : a == b || (Number.isNaN(Number(a)) && Number.isNaN(Number(b)))

const compareElements = (a: Elements, b: Elements, isOfOneType: boolean) => {
  let [numDifferent, maxAbsDifference] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]]
    if (x === undefined || y === undefined || isSame(x, y, isOfOneType)) continue
    numDifferent++
    maxAbsDifference = Math.max(maxAbsDifference, distance(x, y))
  }
  return { numDifferent, maxAbsDifference }
}

const compare = (a: LazyTensor, b: LazyTensor, name: string): Effect.Effect<TensorDifference, CheckpointError> =>
  Effect.gen(function* () {
    const dtypes = a.dtype === b.dtype ? {} : { dtypes: [a.dtype, b.dtype] as const }
    if (a.shape.join() !== b.shape.join()) return { name, shapes: [a.shape, b.shape] as const, ...dtypes }
    const found = compareElements(elementsOf(yield* a.read), elementsOf(yield* b.read), a.dtype === b.dtype)
    return { name, ...dtypes, ...(found.numDifferent === 0 ? {} : found) }
  })

/** Compares two files tensor by tensor, one pair in memory at a time; formats and an official `module.` do not matter. */
export const diffTensors = (a: TensorFile, b: TensorFile): Effect.Effect<DiffReport, CheckpointError> =>
  Effect.gen(function* () {
    const first = yield* byPlainName(a.file, a.tensors.values())
    const second = yield* byPlainName(b.file, b.tensors.values())
    const different: Array<TensorDifference> = []
    let numCompared = 0
    for (const [name, tensor] of first) {
      const other = second.get(name)
      if (other === undefined) continue
      numCompared++
      const difference = yield* compare(tensor, other, name)
      if (Object.keys(difference).length > 1) different.push(difference)
    }
    const onlyInFirst = [...first.keys()].filter((name) => !second.has(name))
    const onlyInSecond = [...second.keys()].filter((name) => !first.has(name))
    const isEqual = different.length + onlyInFirst.length + onlyInSecond.length === 0
    return { files: [a.file, b.file], numCompared, onlyInFirst, onlyInSecond, different, isEqual }
  })
