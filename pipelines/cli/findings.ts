import * as tf from "@tensorflow/tfjs-core"
import { Clock, Config, Effect } from "effect"
import type { FileSystem, Path } from "effect"
import { statfs } from "node:fs/promises"
import { availableParallelism, freemem, totalmem } from "node:os"
import process from "node:process"
import type { BackendName } from "../../lib/backend/index.ts"
import { Backend, describeAdapter, describeBlas } from "../../lib/backend/index.ts"
import { cc12m, cc3m, type PresetDataset, shownLocation } from "../../lib/data/index.ts"
import { ImageDecoder } from "../../lib/image/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { fold, keyOf, uniform } from "../../lib/tensor/index.ts"
import { formatBytes } from "../../lib/track/index.ts"
import { files, live } from "../node.ts"
import { version } from "../version.ts"
import { presetFindings } from "./presetFindings.ts"

/** One finding: what was looked at, what was found, and whether it works, works not, or is an extra that is absent. */
export interface Finding {
  readonly name: string
  readonly found: string
  readonly state: "works" | "broken" | "absent"
  /** The numbers behind the words, for programs. */
  readonly figures?: Readonly<Record<string, number | null>>
}

const works = (name: string, found: string): Finding => ({ name, found, state: "works" })
const broken = (name: string) => (error: { readonly message: string }): Effect.Effect<Finding> =>
  Effect.succeed({ name, found: error.message, state: "broken" })

const seconds = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const begin = yield* Clock.currentTimeMillis
    yield* effect
    return Math.max(1, (yield* Clock.currentTimeMillis) - begin) / 1000
  })

/** Below this a run of any size is in danger: a quarter of a GiB for the demo's model, its state and the runtime. */
const LITTLE_MEMORY = 2 ** 29
const LITTLE_DISK = 2 ** 30

const memory: Effect.Effect<Finding> = Effect.sync(() => ({
  name: "memory",
  found: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
  state: freemem() < LITTLE_MEMORY ? "broken" : "works"
}))

const disk: Effect.Effect<Finding> = Effect.tryPromise({
  try: () => statfs(process.cwd()),
  catch: (cause) => ({ message: `cannot ask for the free space of ${process.cwd()}: ${String(cause)}` })
}).pipe(
  Effect.map(({ bavail, bsize }): Finding => ({
    name: "disk",
    found: `${formatBytes(bavail * bsize)} free in ${process.cwd()}`,
    state: bavail * bsize < LITTLE_DISK ? "broken" : "works"
  })),
  Effect.catch(broken("disk"))
)

const SIDE = 1024

/** A product of matrices on the engine, timed: GFLOP/s. */
const speed = Effect.gen(function* () {
  const backend = yield* Backend
  const operands = yield* Effect.acquireRelease(
    backend.sync(() => {
      const noise = (name: string) => tf.tensor2d(uniform(fold(keyOf(0), name), SIDE * SIDE, -1, 1), [SIDE, SIDE])
      return [noise("a"), noise("b")] as const
    }),
    (held) => Effect.sync(() => tf.dispose([...held]))
  )
  const product = Effect.scoped(Effect.gen(function* () {
    const made = yield* Effect.acquireRelease(
      backend.sync(() => tf.matMul(...operands)),
      (held) => Effect.sync(() => held.dispose())
    )
    yield* backend.read(made)
  }))
  yield* product // the first one compiles
  // The best of some: another program that takes a core for a while says nothing of the engine.
  const times = yield* Effect.forEach(Array.from({ length: 8 }), () => seconds(product))
  return 2 * SIDE ** 3 / Math.min(...times) / 1e9
})

/** The engine with its canaries (they run when the layer is built) and its speed, or why it was refused. */
const engine = (name: BackendName): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const { announcement } = yield* Backend
    const gflops = yield* speed
    return [
      works("engine", announcement),
      works("canaries", "every fused kernel and gradient agrees with its definition"),
      {
        ...works("speed", `${gflops.toFixed(1)} GFLOP/s in a product of ${SIDE} x ${SIDE} matrices, reading included`),
        figures: { gflops }
      }
    ]
  }).pipe(
    Effect.scoped,
    Effect.provide(live({ backend: name, progress: "silent", softwareAdapter: "allow" })),
    Effect.catch((error) => Effect.map(broken("engine")(error), (finding) => [finding]))
  )

const PICTURES = 64

/** Writes a picture and reads it back, then many at once. */
const decoding: Effect.Effect<Finding> = Effect.gen(function* () {
  const decoder = yield* ImageDecoder
  const data = Uint8Array.from(uniform(keyOf(1), 256 * 256 * 3, 0, 256))
  const png = yield* encodePng({ width: 256, height: 256, data })
  const image = yield* decoder.decode(png)
  if (!image.data.every((level, i) => level === data[i])) {
    return yield* broken("decoding")({ message: "a PNG comes back changed: reinstall sharp for this platform" })
  }
  const decodeAll = Effect.forEach(Array.from({ length: PICTURES }), () => decoder.decode(png), { concurrency: 4 })
  const each = (yield* seconds(decodeAll)) / PICTURES
  return works("decoding", `to the byte; ${Math.round(1 / each)} PNG/s of 256 x 256 noise`)
}).pipe(Effect.provide(files), Effect.catch(broken("decoding")))

const blas: Effect.Effect<Finding> = Effect.map(
  describeBlas,
  ({ isFound, found }): Finding => ({ name: "blas", found, state: isFound ? "works" : "absent" })
)

const adapter: Effect.Effect<Finding> = Effect.map(describeAdapter, (found): Finding => ({
  name: "webgpu",
  found,
  state: found.startsWith("no WebGPU") ? "absent" : "works"
}))

/** Whether a preset's shards are named, and can be reached. */
export const shardsOf = (dataset: PresetDataset): Effect.Effect<Finding, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const location = yield* Config.String(dataset.variable).pipe(Config.withDefault(""))
    if (location === "") {
      const found = `no shards named: set ${dataset.variable} to a directory or pattern, or pass --data`
      return { name: dataset.name, found, state: "absent" } as const
    }
    yield* dataset.check ?? Effect.void
    return works(dataset.name, `${dataset.variable}=${shownLocation(location)}`)
  }).pipe(Effect.provide(files), Effect.catch(broken(dataset.name)))

const gflopsIn = (engines: ReadonlyArray<Finding>): number | undefined =>
  engines.find(({ name }) => name === "speed")?.figures?.["gflops"] ?? undefined

/** All that a doctor looks at, in the order of telling. */
export const findings = (
  name: BackendName
): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const engines = yield* engine(name)
    return [
      works("diffclip", version),
      works("runtime", `${navigator.userAgent} on ${process.platform} ${process.arch}`),
      works("cores", `${availableParallelism()}`),
      yield* memory,
      yield* disk,
      ...engines,
      yield* decoding,
      yield* adapter,
      yield* blas,
      yield* shardsOf(cc3m),
      yield* shardsOf(cc12m),
      ...(yield* presetFindings(gflopsIn(engines)))
    ]
  })
