import { at, type F64, sizeOf, zeros } from "./array.ts"
import { add } from "./elementwise.ts"
import { type Node, record } from "./tape.ts"

/** A matrix inside an array: element (i, j) is `data[offset + i * row + j * column]`. */
interface View {
  readonly data: Float64Array
  readonly offset: number
  readonly row: number
  readonly column: number
}

const transposed = (m: View): View => ({ ...m, row: m.column, column: m.row })

/** out += a b, with a [m, k] and b [k, n]. */
const accumulate = (out: View, a: View, b: View, m: number, k: number, n: number): void => {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0
      for (let l = 0; l < k; l++) {
        total += at(a.data, a.offset + i * a.row + l * a.column) * at(b.data, b.offset + l * b.row + j * b.column)
      }
      const place = out.offset + i * out.row + j * out.column
      out.data[place] = at(out.data, place) + total
    }
  }
}

/** Which operand is used transposed (its last two axes exchanged). */
export interface MatmulOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/**
 * Matrix product over the last two axes: [..., m, k] times [..., k, n] gives [..., m, n]. The leading axes of both are
 * equal, or one operand is a single matrix, which is then used for all.
 */
export const matmul = (a: Node, b: Node, { transposeA = false, transposeB = false }: MatmulOptions = {}): Node => {
  const leadA = a.value.shape.slice(0, -2)
  const leadB = b.value.shape.slice(0, -2)
  const [rowsA = 0, columnsA = 0] = a.value.shape.slice(-2)
  const [rowsB = 0, columnsB = 0] = b.value.shape.slice(-2)
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA]
  const [inner, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB]
  const shared = leadA.length === 0 || leadB.length === 0
  if (
    a.value.shape.length < 2 || b.value.shape.length < 2 || k !== inner || !(shared || leadA.join() === leadB.join())
  ) {
    throw new RangeError(
      `matmul of [${a.value.shape}]${transposeA ? " transposed" : ""} and [${b.value.shape}]${
        transposeB ? " transposed" : ""
      }`
    )
  }
  const lead = leadA.length === 0 ? leadB : leadA
  const batch = sizeOf(lead)

  const viewOf = (x: F64, index: number, isTransposed: boolean): View => {
    const [rows = 0, columns = 0] = x.shape.slice(-2)
    const offset = x.shape.length === 2 ? 0 : index * rows * columns
    const view = { data: x.data, offset, row: columns, column: 1 }
    return isTransposed ? transposed(view) : view
  }

  const value = zeros([...lead, m, n])
  for (let i = 0; i < batch; i++) {
    accumulate(viewOf(value, i, false), viewOf(a.value, i, transposeA), viewOf(b.value, i, transposeB), m, k, n)
  }
  return record(value, [a, b], (cotangent) => {
    const toA = zeros(a.value.shape)
    const toB = zeros(b.value.shape)
    for (let i = 0; i < batch; i++) {
      const g = viewOf(cotangent, i, false)
      if (a.needsGradient) {
        accumulate(viewOf(toA, i, transposeA), g, transposed(viewOf(b.value, i, transposeB)), m, n, k)
      }
      if (b.needsGradient) {
        accumulate(viewOf(toB, i, transposeB), transposed(viewOf(a.value, i, transposeA)), g, k, m, n)
      }
    }
    return [toA, toB]
  })
}

/** x w^T + b: x [..., in], w [out, in], b [out]. */
export const linear = (x: Node, w: Node, b: Node): Node => add(matmul(x, w, { transposeB: true }), b)
