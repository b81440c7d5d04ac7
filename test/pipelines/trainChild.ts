/** A training process for the tests that kill it: `trainChild.ts SHARDS DIR`. Resumes whatever is there. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { webdataset } from "../../lib/data/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { tinyConfig, tinyModel } from "./tiny.ts"

const [shards = "", dir = ""] = process.argv.slice(2)

Pipeline.train(tinyModel, webdataset(shards), { ...tinyConfig, length: { steps: 60 }, checkpoint: { every: 3 } }).pipe(
  Effect.scoped,
  Effect.provide(live({ dir, begin: "resume", progress: "silent" })),
  NodeRuntime.runMain
)
