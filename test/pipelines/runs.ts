import { Effect, Exit, Fiber, Layer, ManagedRuntime } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll } from "vitest"
import { auto, Backend } from "../../lib/backend/index.ts"
import { CheckpointStore, checkpointStore } from "../../lib/checkpoint/index.ts"
import type { Clip } from "../../lib/models/index.ts"
import { keyOf, leavesOf, type Params } from "../../lib/tensor/index.ts"
import { Progress, silentProgress } from "../../lib/track/index.ts"
import { runIn, type TrainConfigInput } from "../../pipelines/index.ts"
import { files, type live } from "../../pipelines/node.ts"
import { tinyConfig } from "./tiny.ts"

/** Twelve quick steps over several epochs: one micro-batch, a checkpoint every five. */
export const quick: TrainConfigInput = {
  ...tinyConfig,
  length: { steps: 12 },
  updateFreq: 1,
  checkpoint: { every: 5 }
}

/** One engine for all runs of a test file: starting one takes longer than they do. */
const engine = ManagedRuntime.make(auto)
afterAll(() => engine.dispose())

/** The services of a run in a directory, silent. */
export const at = (
  dir: string,
  begin: "fresh" | "resume" | "extend" = "fresh"
): ReturnType<typeof live> =>
  Layer.mergeAll(
    Layer.effectContext(engine.contextEffect),
    silentProgress,
    runIn(dir, begin),
    checkpointStore.pipe(Layer.provideMerge(files))
  )

/** Progress of which only the notes are seen: they land in a list. */
export const noting = (notes: Array<string>): Layer.Layer<Progress> =>
  Layer.effect(
    Progress,
    Effect.map(Progress, (silent) => ({ ...silent, note: (text) => Effect.sync(() => void notes.push(text)) }))
  ).pipe(Layer.provide(silentProgress))

/** Weights and optimizer of a checkpoint as they lie on the disk. */
export const filesOf = (dir: string, step: number): ReadonlyArray<Buffer> =>
  ["model.safetensors", "optimizer.safetensors"].map((file) =>
    readFileSync(join(dir, "checkpoints", `step-${step}`, file))
  )

/** The weights of a checkpoint by path. */
export const weightsOf = (checkpoint: string): Promise<ReadonlyMap<string, Float32Array>> =>
  Effect.flatMap(CheckpointStore, (store) => store.load(checkpoint)).pipe(
    Effect.map(({ arrays }) => new Map([...arrays.values()].map(({ path, data }) => [path, data]))),
    Effect.provide(at(checkpoint)),
    Effect.runPromise
  )

/** The weights that a model begins with. */
export const initialWeightsOf = <P extends Params>(
  model: Clip<P>,
  seed: number
): Promise<ReadonlyMap<string, Float32Array>> =>
  Effect.flatMap(Backend, (backend) =>
    backend.sync(() =>
      new Map(
        leavesOf(model.init(keyOf(seed))).map(({ path, value: { tensor } }) => {
          const data = Float32Array.from(tensor.dataSync())
          tensor.dispose()
          return [path, data]
        })
      )
    )).pipe(Effect.provide(at("unused")), Effect.runPromise)

/** The bits of an array, to compare zeros and NaN too. */
export const bitsOf = (data: Float32Array | undefined): string =>
  data === undefined ? "none" : Buffer.from(data.slice().buffer).toString("base64")

/** A file of a run as JSON. */
export const jsonOf = (...path: ReadonlyArray<string>): Readonly<Record<string, unknown>> =>
  JSON.parse(readFileSync(join(...path), "utf8"))

/** The state of a checkpoint. */
export const stateOf = (dir: string, step: number): Readonly<Record<string, unknown>> =>
  jsonOf(dir, "checkpoints", `step-${step}`, "state.json")

/** The lines of a file of JSON lines; none where there is no file. */
export const linesOf = (...path: ReadonlyArray<string>): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  existsSync(join(...path)) ?
    readFileSync(join(...path), "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)) :
    []

/** What an effect failed with. */
export const errorOf = <A, E>(exit: Exit.Exit<A, E>): unknown =>
  Exit.isFailure(exit) ? exit.cause.reasons.map((reason) => ("error" in reason ? reason.error : reason))[0] : undefined

/** Interrupts a run as soon as `isTime` says so. */
export const interruptWhen = <A, E>(run: Effect.Effect<A, E>, isTime: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(run)
    while (!isTime()) yield* Effect.sleep("1 millis")
    yield* Fiber.interrupt(fiber)
  })
