import { Layer } from "effect"
import zlib from "node:zlib"
import { ParquetCodecs } from "../lib/data/index.ts"

/** Node's zlib for Parquet: GZIP and BROTLI, and ZSTD where the runtime has it. A page never unpacks to more than it says. */
export const parquetCodecs: Layer.Layer<never> = Layer.succeed(ParquetCodecs, {
  GZIP: (packed, numBytes) => zlib.gunzipSync(packed, { maxOutputLength: Math.max(1, numBytes) }),
  BROTLI: (packed, numBytes) => zlib.brotliDecompressSync(packed, { maxOutputLength: Math.max(1, numBytes) }),
  ...(typeof zlib.zstdDecompressSync === "function" ?
    {
      ZSTD: (packed: Uint8Array, numBytes: number) =>
        zlib.zstdDecompressSync(packed, { maxOutputLength: Math.max(1, numBytes) })
    } :
    {})
})
