/**
 * Samples a second from webdataset shards to decoded batches: reading, grouping, decoding, ordering. The peer decodes
 * the same bytes from memory with plain sharp, as many at a time, without shards, captions or order. Both take turns
 * within a run; the files are in the page cache. Prints one JSON object a line (DESIGN section 5); `median` and `min` are
 * samples/s, `ratio` is ours over the peer's. `cached` is the second and later passes of `cached`, whose peer is the
 * uncached pass.
 * Usage: node --conditions=source test/bench/loader.ts
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer, Stream } from "effect"
import { loadavg } from "node:os"
import process from "node:process"
import sharp from "sharp"
import { batches, cached, webdataset, writeShards } from "../../lib/data/index.ts"
import type { StoredSample, WebDataset } from "../../lib/data/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { keyOf, uniformSequence } from "../../lib/tensor/random.ts"

const RUNS = 7
const CONCURRENCY = 4
const PLAN = { seed: 1, windowSize: 256, order: "shuffled" } as const

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

/** Something like a photograph to a codec: smooth waves with a little noise. */
const scene = (width: number, height: number, seed: number) => {
  const next = uniformSequence(keyOf(seed))
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    return 128 + 60 * Math.sin(x / (9 + c + seed % 5)) + 50 * Math.cos(y / (13 - c)) + 16 * (next() - 0.5)
  })
  return sharp(data, { raw: { width, height, channels: 3 } })
}

interface Sides {
  readonly width: number
  readonly height: number
}

const samplesOf = async (count: number, format: "png" | "jpg", { height, width }: Sides) => {
  const samples: Array<StoredSample> = []
  for (let i = 0; i < count; i++) {
    const image = scene(width, height, i % 16)
    const bytes = new Uint8Array(await (format === "png" ? image.png() : image.jpeg({ quality: 90 })).toBuffer())
    const txt = new TextEncoder().encode(`a picture of wave ${i}`)
    samples.push({ key: String(i).padStart(6, "0"), members: { [format]: bytes, txt } })
  }
  return samples
}

const peerPass = (files: ReadonlyArray<Uint8Array>) =>
  Effect.forEach(
    files,
    (bytes) => Effect.promise(() => sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true })),
    { concurrency: CONCURRENCY, discard: true }
  )

const report = (
  name: string,
  shape: ReadonlyArray<number>,
  peer: string,
  pairs: ReadonlyArray<readonly [number, number]>
) => {
  const ratios = pairs.map(([ours, theirs]) => ours / theirs)
  const line = {
    name,
    backend: "cpu",
    runtime,
    shape,
    unit: "samples/s",
    median: median(pairs.map(([ours]) => ours)),
    min: Math.min(...pairs.map(([ours]) => ours)),
    runs: pairs.length,
    peer,
    peerVersion: sharp.versions["sharp"],
    peerMedian: median(pairs.map(([, theirs]) => theirs)),
    ratio: median(ratios),
    ratioLow: Math.min(...ratios),
    ratioHigh: Math.max(...ratios),
    load: loadavg()[0]
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const measure = (name: string, count: number, format: "png" | "jpg", sides: Sides) =>
  Effect.scoped(Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "diffclip-bench-" })
    const samples = yield* Effect.promise(() => samplesOf(count, format, sides))
    yield* writeShards(directory, samples, { samplesPerShard: 512 })
    const files = samples.flatMap(({ members }) => members[format] ?? [])
    const dataset = webdataset(directory, { concurrency: CONCURRENCY })
    const kept = yield* cached(dataset)
    const passOf = (data: WebDataset, epoch: number) =>
      Stream.runDrain(batches(data, PLAN, { epoch, delivered: 0 }, { batchSize: 64, epochs: epoch + 1 }))
    const rate = <E, R>(work: Effect.Effect<void, E, R>) =>
      Effect.gen(function* () {
        const start = performance.now()
        yield* work
        return count / (performance.now() - start) * 1000
      })
    yield* passOf(dataset, 0)
    yield* passOf(kept, 0)
    yield* peerPass(files)
    const pairs: Array<readonly [number, number]> = []
    const cachedPairs: Array<readonly [number, number]> = []
    for (let run = 0; run < RUNS; run++) {
      const first = run % 2 === 0 ? yield* rate(passOf(dataset, run)) : yield* rate(peerPass(files))
      const second = run % 2 === 0 ? yield* rate(peerPass(files)) : yield* rate(passOf(dataset, run))
      const [ours, theirs] = run % 2 === 0 ? [first, second] : [second, first]
      pairs.push([ours, theirs])
      cachedPairs.push([yield* rate(passOf(kept, run)), ours])
    }
    const shape = [count, sides.height, sides.width]
    report(name, shape, "sharp, same bytes in memory", pairs)
    report(`${name}, cached`, shape, "uncached", cachedPairs)
  }))

const main = Effect.gen(function* () {
  yield* measure("loader: PNG", 2048, "png", { width: 64, height: 64 })
  yield* measure("loader: JPEG", 512, "jpg", { width: 256, height: 224 })
})
await Effect.runPromise(Effect.provide(main, Layer.mergeAll(NodeServices.layer, sharpDecoder)))
