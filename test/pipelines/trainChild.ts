/** A training process for the tests that kill it: `trainChild.ts DIR`. Resumes whatever is there. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { tinyConfig, tinyData, tinyModel } from "./tiny.ts"

const dir = process.argv[2] ?? ""

Pipeline.train(tinyModel, tinyData, { ...tinyConfig, length: { steps: 60 }, checkpoint: { every: 3 } }).pipe(
  Effect.scoped,
  Effect.provide(live({ dir, begin: "resume", progress: "silent" })),
  NodeRuntime.runMain
)
