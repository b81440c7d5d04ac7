import { Context } from "effect"

/** Unpacks one page of a column: its bytes, and how many they must become. */
export type ParquetCodec = (packed: Uint8Array, numBytes: number) => Uint8Array

/** Compressions of Parquet, by the names that its format has for them. */
export type ParquetCodecTable = Readonly<Record<string, ParquetCodec>>

/**
 * Compressions of Parquet beyond none and Snappy, which are always there. `files` of `diffclip/node` adds what Node's
 * zlib has (GZIP, BROTLI, ZSTD).
 */
export const ParquetCodecs: Context.Reference<ParquetCodecTable> = Context.Reference<ParquetCodecTable>(
  "diffclip/ParquetCodecs",
  { defaultValue: () => ({}) }
)
