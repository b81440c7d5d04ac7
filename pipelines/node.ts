import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import type { FileSystem, Path } from "effect"
import process from "node:process"
import type { Backend, OpenError } from "../lib/backend/index.ts"
import { auto, type BackendName, byName } from "../lib/backend/index.ts"
import { type CheckpointStore, checkpointStore } from "../lib/checkpoint/index.ts"
import type { ImageDecoder } from "../lib/image/index.ts"
import { sharpDecoder } from "../lib/image/sharp.ts"
import { type Progress, progressLayer, silentProgress } from "../lib/track/index.ts"
import { parquetCodecs } from "./parquetCodecs.ts"
import { type Run, runIn } from "./run.ts"

export type { BackendName, CpuOptions, WebgpuOptions } from "../lib/backend/index.ts"
export { auto, byName, cpu, webgpu } from "../lib/backend/index.ts"
export type { OtlpOptions, PrometheusOptions } from "./metricsExport.ts"
export { otlpMetrics, prometheusMetrics } from "./metricsExport.ts"
export { MetricsError, type MetricsErrorReason, ReportError } from "./reportErrors.ts"
export { ImageError } from "../lib/image/index.ts"
export { decodeOnWhite, encodePng, renderSvg, sharpDecoder } from "../lib/image/sharp.ts"

/** Where a program runs and how it talks. */
export interface LiveOptions {
  /** The run directory. Default `runs/default`. */
  readonly dir?: string
  /** Go on from the run that is there, also with a longer schedule (`extend`). Default `fresh`. */
  readonly begin?: "fresh" | "resume" | "extend"
  /** The engine. Default `auto`. */
  readonly backend?: BackendName
  /** How progress is shown: a bar or lines on stderr, JSON lines on stdout, or nothing. Default `text`. */
  readonly progress?: "text" | "json" | "silent"
  /** Threads of the CPU engine. */
  readonly threads?: number
  /** What to do when `webgpu` finds a program on the CPU as its only adapter. Default `refuse`; `auto` never takes one. */
  readonly softwareAdapter?: "refuse" | "allow"
}

/** All services that the pipelines need, on Node, Bun and Deno. */
export type LiveServices =
  | Backend
  | CheckpointStore
  | ImageDecoder
  | Progress
  | Run
  | FileSystem.FileSystem
  | Path.Path

/** Files of the machine: file system and paths, the picture decoder, and the compressions of Parquet that zlib has. */
export const files: Layer.Layer<FileSystem.FileSystem | Path.Path | ImageDecoder> = Layer.mergeAll(
  NodeServices.layer,
  sharpDecoder,
  parquetCodecs
)

/** Whether colours are wanted: not where `NO_COLOR` says anything, or the terminal knows none. */
const hasColor = (): boolean => (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb"

/**
 * Progress on stderr, so that results stay alone on stdout: a bar on a terminal, plain lines elsewhere. As `json` one
 * object a line for each step, validation, checkpoint and the summary stands on stdout, and notes stay on stderr.
 */
export const terminalProgress = (format: "text" | "json" | "silent"): Layer.Layer<Progress> => {
  const to = (stream: NodeJS.WriteStream) => (text: string) => Effect.sync(() => void stream.write(text))
  return format === "silent" ? silentProgress : progressLayer({
    write: to(format === "json" ? process.stdout : process.stderr),
    writeNote: to(process.stderr),
    isTTY: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
    columns: () => process.stderr.columns || 80, // a terminal of unknown size says 0
    hasColor: hasColor(),
    format
  })
}

/**
 * Backend, files, checkpoints, decoder, progress and run directory in one layer.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { cc3m, diffClip, Pipeline } from "diffclip"
 * import { live } from "diffclip/node"
 *
 * const services = live({ dir: "runs/first", progress: "json" })
 * await Effect.runPromise(Pipeline.train(diffClip, cc3m).pipe(Effect.scoped, Effect.provide(services)))
 * ```
 */
export const live = (
  { dir = "runs/default", begin = "fresh", backend = "auto", progress = "text", threads, softwareAdapter = "refuse" }:
    LiveOptions = {}
): Layer.Layer<LiveServices, OpenError> => {
  const options = threads === undefined ? { softwareAdapter } : { softwareAdapter, threads }
  return Layer.mergeAll(
    backend === "auto" && threads === undefined ? auto : byName(backend, options),
    terminalProgress(progress),
    runIn(dir, begin),
    checkpointStore.pipe(Layer.provideMerge(files))
  )
}
