/** Element types of a safetensors file that are read, with their bytes. */
export const dtypeBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const

/** An element type that is read. */
export type Dtype = keyof typeof dtypeBytes

/** The element types that hold fractions. */
export type FloatDtype = "F64" | "F32" | "F16" | "BF16"

/** Whether a name is that of an element type that is read. */
export const isDtype = (name: string): name is Dtype => Object.hasOwn(dtypeBytes, name)

/** Whether an element type holds fractions. */
export const isFloatDtype = (dtype: Dtype): dtype is FloatDtype =>
  dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16"

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A half-precision number from its bits: 1 sign, 5 exponent, 10 fraction. Source: IEEE 754 binary16. */
const halfOf = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** float32 numbers where they lie when they are aligned, else copied. Every runtime we run on is little-endian. */
const float32 = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0 ?
    new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) :
    new Float32Array(Uint8Array.from(bytes).buffer)

/** bfloat16 is the upper half of a float32. */
const bfloat16 = (bytes: Uint8Array): Float32Array => {
  const view = viewOf(bytes)
  const bits = new Uint32Array(bytes.byteLength / 2)
  for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16
  return new Float32Array(bits.buffer)
}

const each = (size: number, read: (i: number) => number): Float32Array => {
  const out = new Float32Array(size)
  for (let i = 0; i < size; i++) out[i] = read(i)
  return out
}

/** Stored fractions as float32: exact but for F64, which is rounded. F32 shares memory with `bytes` where it can. */
export const floatsOf = (dtype: FloatDtype, bytes: Uint8Array): Float32Array => {
  if (dtype === "F32") return float32(bytes)
  if (dtype === "BF16") return bfloat16(bytes)
  const view = viewOf(bytes)
  return dtype === "F16" ?
    each(bytes.byteLength / 2, (i) => halfOf(view.getUint16(2 * i, true))) :
    each(bytes.byteLength / 8, (i) => view.getFloat64(8 * i, true))
}

const readInt: Readonly<Record<Exclude<Dtype, FloatDtype>, (view: DataView, i: number) => number>> = {
  I64: (view, i) => Number(view.getBigInt64(8 * i, true)),
  I32: (view, i) => view.getInt32(4 * i, true),
  I16: (view, i) => view.getInt16(2 * i, true),
  I8: (view, i) => view.getInt8(i),
  U8: (view, i) => view.getUint8(i),
  BOOL: (view, i) => view.getUint8(i)
}

/** Stored whole numbers as doubles, which are exact up to 2^53 (of I64, larger ones are rounded). */
export const integersOf = (dtype: Exclude<Dtype, FloatDtype>, bytes: Uint8Array): Float64Array => {
  const view = viewOf(bytes)
  return Float64Array.from({ length: bytes.byteLength / dtypeBytes[dtype] }, (_, i) => readInt[dtype](view, i))
}

/** Stored 64-bit whole numbers, exactly. */
export const exactIntegersOf = (bytes: Uint8Array): ReadonlyArray<bigint> => {
  const view = viewOf(bytes)
  return Array.from({ length: bytes.byteLength / 8 }, (_, i) => view.getBigInt64(8 * i, true))
}
