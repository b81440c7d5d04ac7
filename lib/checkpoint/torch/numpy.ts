import type { PickleFailures } from "./failures.ts"
import type { PickleValue } from "./pickleValue.ts"
import { isObject, isTuple, kindOf } from "./pickleValue.ts"

const exact = (value: bigint): number | bigint => {
  const near = Number(value)
  return Number.isSafeInteger(near) ? near : value
}

type Read = (view: DataView, isLittle: boolean) => number | bigint | boolean

/** Kind and size of a dtype to how its bytes are read. */
const readers: Readonly<Record<string, Read>> = {
  f8: (view, isLittle) => view.getFloat64(0, isLittle),
  f4: (view, isLittle) => view.getFloat32(0, isLittle),
  i8: (view, isLittle) => exact(view.getBigInt64(0, isLittle)),
  i4: (view, isLittle) => view.getInt32(0, isLittle),
  i2: (view, isLittle) => view.getInt16(0, isLittle),
  i1: (view) => view.getInt8(0),
  u8: (view, isLittle) => exact(view.getBigUint64(0, isLittle)),
  u4: (view, isLittle) => view.getUint32(0, isLittle),
  u2: (view, isLittle) => view.getUint16(0, isLittle),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0
}

/**
 * The number of a NumPy scalar from the arguments of `multiarray.scalar`: a dtype (`numpy.dtype("f8", …)` with its byte
 * order in the state) and bytes. Source: REFERENCE 4.5.
 */
export const numpyScalar = (
  { malformed }: PickleFailures,
  [dtype, bytes]: ReadonlyArray<PickleValue>,
  at: number
): number | bigint | boolean => {
  const isDtype = isObject(dtype) && dtype.name === "numpy dtype"
  const code = isDtype ? dtype.args[0] : undefined
  const order = isDtype && isTuple(dtype.state) ? dtype.state.items[1] : undefined
  const read = typeof code === "string" && Object.hasOwn(readers, code) ? readers[code] : undefined
  if (typeof code !== "string" || read === undefined) {
    throw malformed(at, `a NumPy scalar of ${Object.keys(readers).join(", ")}`, String(code ?? kindOf(dtype)))
  }
  if (!(bytes instanceof Uint8Array) || bytes.length !== Number(code.slice(1))) {
    const found = bytes instanceof Uint8Array ? `${bytes.length} bytes` : kindOf(bytes)
    throw malformed(at, `${code.slice(1)} bytes of a NumPy scalar`, found)
  }
  return read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), order !== ">")
}
