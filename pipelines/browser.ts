import { Effect, Layer } from "effect"
import type { FileSystem, Path } from "effect"
import type { Backend, OpenError } from "../lib/backend/index.ts"
import { auto, type BackendName, byName } from "../lib/backend/index.ts"
import { type CheckpointStore, checkpointStore } from "../lib/checkpoint/index.ts"
import { type Progress, progressLayer, silentProgress } from "../lib/track/index.ts"
import { memoryFiles } from "./memoryFiles.ts"
import { type Run, runIn } from "./run.ts"

export type { BackendName, CpuOptions, WebgpuOptions } from "../lib/backend/index.ts"
export { auto, byName, cpu, describeAdapter, webgpu } from "../lib/backend/index.ts"
export { makeMemoryFiles, memoryFiles } from "./memoryFiles.ts"

/** What a page computes on and how it shows progress. */
export interface PageOptions {
  /** The run directory, in the page's memory. Default `run`. */
  readonly dir?: string
  /** Go on from the run that is there, also with a longer schedule (`extend`). Default `fresh`. */
  readonly begin?: "fresh" | "resume" | "extend"
  /** The engine. Default `auto`. */
  readonly backend?: BackendName
  /** Gets each line of progress. Default: nobody does. */
  readonly onProgress?: (line: string) => void
  /** Threads of the CPU engine: more than one takes a page that is cross-origin isolated. */
  readonly threads?: number
  /** What to do when `webgpu` finds a program on the CPU as its only adapter. Default `refuse`; `auto` never takes one. */
  readonly softwareAdapter?: "refuse" | "allow"
}

/** All services that the pipelines need in a page; pictures come as pixels (`RgbImage`). */
export type PageServices = Backend | CheckpointStore | Progress | Run | FileSystem.FileSystem | Path.Path

/** Progress for a page: one line a text, without colours. */
const pageProgress = (onLine: (line: string) => void): Layer.Layer<Progress> =>
  progressLayer({
    write: (text) => Effect.sync(() => onLine(text.replace(/\n$/, ""))),
    isTTY: false,
    columns: () => 120
  })

/**
 * Backend, files in memory, checkpoints, progress and run directory in one layer, for a page; it asks Node for nothing.
 *
 * @example
 * ```ts
 * import { diffClip, fromArray, Pipeline } from "diffclip"
 * import { live } from "diffclip/browser"
 * import { Effect } from "effect"
 *
 * const image = { width: 1, height: 1, data: new Uint8Array([255, 0, 0]) }
 * const pairs = fromArray("one", [{ key: "red", image, captions: ["red"] }])
 * const program = Pipeline.train(diffClip, pairs, { length: { steps: 1 }, batchSize: 1 })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live({ onProgress: console.log }))))
 * ```
 */
export const live = (
  { dir = "run", begin = "fresh", backend = "auto", onProgress, threads, softwareAdapter = "refuse" }: PageOptions = {}
): Layer.Layer<PageServices, OpenError> => {
  const options = threads === undefined ? { softwareAdapter } : { softwareAdapter, threads }
  return Layer.mergeAll(
    backend === "auto" && threads === undefined ? auto : byName(backend, options),
    onProgress === undefined ? silentProgress : pageProgress(onProgress),
    runIn(dir, begin),
    checkpointStore.pipe(Layer.provideMerge(memoryFiles))
  )
}
