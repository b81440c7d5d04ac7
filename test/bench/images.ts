/**
 * Pictures a second from file bytes to a normalised float32 [3, S, S]: decode and training transform, one picture after
 * the other, so one at a time on one libvips thread or on the JavaScript thread. The peer is sharp's own
 * extract-and-resize (linear kernel) with the same boxes and the same normalisation; its pixels are not Pillow's.
 * sharp's concurrency is 1 for both, since the layer sets it for the process.
 * Both take turns within a run. Prints one JSON object a line (DESIGN section 5); `median` and `min` are pictures/s,
 * `ratio` is ours over the peer's, `ratioLow` and `ratioHigh` the least and greatest of the runs' ratios.
 * Usage: node --conditions=source test/bench/images.ts
 */
import { Effect } from "effect"
import { loadavg } from "node:os"
import process from "node:process"
import sharp from "sharp"
import {
  applyTransform,
  ImageDecoder,
  normalizeInto,
  randomResizedCropBox,
  trainTransform
} from "../../lib/image/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { keyOf, uniformSequence } from "../../lib/tensor/random.ts"

const RUNS = 9
const PICTURES_PER_RUN = 60

/** Something like a photograph to a codec: smooth waves with a little noise. */
const scene = (width: number, height: number): Uint8Array => {
  const next = uniformSequence(keyOf(width * height))
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    return 128 + 60 * Math.sin(x / (9 + c)) + 50 * Math.cos(y / (13 - c)) + 16 * (next() - 0.5)
  })
}

const raw = (width: number, height: number) => sharp(scene(width, height), { raw: { width, height, channels: 3 } })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

const rate = async (once: (i: number) => Promise<void>): Promise<number> => {
  const start = performance.now()
  for (let i = 0; i < PICTURES_PER_RUN; i++) await once(i)
  return PICTURES_PER_RUN / (performance.now() - start) * 1000
}

const measure = async (name: string, bytes: Uint8Array, width: number, height: number, size: number): Promise<void> => {
  const transform = trainTransform(size)
  const out = new Float32Array(3 * size * size)
  const decoder = await Effect.runPromise(Effect.provide(ImageDecoder, sharpDecoder))
  const ours = async (i: number) => {
    const image = await Effect.runPromise(decoder.decode(bytes))
    applyTransform(transform, image, uniformSequence(keyOf(i)), out, 0)
  }
  const peer = async (i: number) => {
    const box = randomResizedCropBox(width, height, transform, uniformSequence(keyOf(i)))
    const { data } = await sharp(bytes, { ignoreIcc: true }).extract(box)
      .resize(size, size, { fit: "fill", kernel: "linear" }).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    normalizeInto({ width: size, height: size, data }, transform, out, 0)
  }
  await rate(ours) // warm-up
  await rate(peer)
  const pairs: Array<readonly [number, number]> = []
  for (let run = 0; run < RUNS; run++) {
    if (run % 2 === 0) pairs.push([await rate(ours), await rate(peer)])
    else {
      const theirs = await rate(peer)
      pairs.push([await rate(ours), theirs])
    }
  }
  const ratios = pairs.map(([a, b]) => a / b)
  const line = {
    name,
    backend: "cpu",
    runtime,
    shape: [height, width, size],
    unit: "pictures/s",
    median: median(pairs.map(([a]) => a)),
    min: Math.min(...pairs.map(([a]) => a)),
    runs: RUNS,
    peer: "sharp extract + resize",
    peerVersion: sharp.versions["sharp"],
    peerMedian: median(pairs.map(([, b]) => b)),
    ratio: median(ratios),
    ratioLow: Math.min(...ratios),
    ratioHigh: Math.max(...ratios),
    load: loadavg()[0]
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const jpeg = new Uint8Array(await raw(256, 224).jpeg({ quality: 90 }).toBuffer())
const png = new Uint8Array(await raw(64, 64).png().toBuffer())
await measure("images: JPEG to 224", jpeg, 256, 224, 224)
await measure("images: PNG to 32", png, 64, 64, 32)
