/** Eight tables: entry `256 k + b` is the remainder of byte b followed by k zero bytes. Polynomial 0xEDB88320. */
const tables: Uint32Array = (() => {
  const out = new Uint32Array(8 * 256)
  for (let b = 0; b < 256; b++) {
    let c = b
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
    out[b] = c
  }
  for (let i = 256; i < out.length; i++) {
    const before = out[i - 256] ?? 0
    out[i] = (before >>> 8) ^ (out[before & 255] ?? 0)
  }
  return out
})()

const at = (k: number, byte: number): number => tables[256 * k + byte] ?? 0

/**
 * The CRC-32 of bytes, or, with the CRC of what stood before them as `previous`, of both. Eight bytes at a time.
 * Source: ISO 3309, as in zip files.
 */
export const crc32 = (bytes: Uint8Array, previous: number = 0): number => {
  let crc = ~previous
  const whole = bytes.length - bytes.length % 8
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let i = 0; i < whole; i += 8) {
    const low = crc ^ view.getUint32(i, true)
    const high = view.getUint32(i + 4, true)
    crc = at(7, low & 255) ^ at(6, (low >>> 8) & 255) ^ at(5, (low >>> 16) & 255) ^ at(4, low >>> 24) ^
      at(3, high & 255) ^ at(2, (high >>> 8) & 255) ^ at(1, (high >>> 16) & 255) ^ at(0, high >>> 24)
  }
  for (let i = whole; i < bytes.length; i++) crc = (crc >>> 8) ^ at(0, (crc ^ (bytes[i] ?? 0)) & 255)
  return ~crc >>> 0
}
