/** Reads numbers and texts one after the other. Nothing is read past the end: `onEnd` gives the error to throw. */
export interface ByteCursor {
  /** The next byte to be read. */
  readonly offset: () => number
  readonly byte: () => number
  readonly uint16: () => number
  readonly uint32: () => number
  readonly int32: () => number
  /** Throws for a length that does not fit into the input, before it is made a number. */
  readonly uint64: () => number
  readonly double: () => number
  /** A view of the next `length` bytes. */
  readonly bytes: (length: number) => Uint8Array
  /** The bytes up to a line feed, which is passed over; at most `maxBytes`. */
  readonly line: (maxBytes: number) => Uint8Array
}

/** A cursor over `bytes` from `start`. */
export const byteCursor = (
  input: Uint8Array,
  start: number,
  onEnd: (offset: number, wanted: string) => Error
): ByteCursor => {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  let at = start
  const take = (length: number): number => {
    if (length > input.length - at) throw onEnd(at, `${length} more bytes`)
    at += length
    return at - length
  }
  return {
    offset: () => at,
    byte: () => view.getUint8(take(1)),
    uint16: () => view.getUint16(take(2), true),
    uint32: () => view.getUint32(take(4), true),
    int32: () => view.getInt32(take(4), true),
    uint64: () => {
      const value = view.getBigUint64(take(8), true)
      if (value > BigInt(input.length)) throw onEnd(at, `${value} more bytes`)
      return Number(value)
    },
    double: () => view.getFloat64(take(8), false),
    bytes: (length) => {
      const begin = take(length)
      return input.subarray(begin, begin + length)
    },
    line: (maxBytes) => {
      const end = input.subarray(at, at + maxBytes + 1).indexOf(0x0a)
      if (end === -1) throw onEnd(at, `a line of at most ${maxBytes} bytes`)
      const begin = take(end + 1)
      return input.subarray(begin, begin + end)
    }
  }
}
