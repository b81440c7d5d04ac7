/** A training process for the tests that kill it: `trainChild.ts SHARDS DIR`. Resumes whatever is there. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { webdataset } from "../../lib/data/index.ts"
import { retrieval } from "../../lib/eval/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { tinyConfig, tinyModel } from "./tiny.ts"

const [shards = "", dir = ""] = process.argv.slice(2)

const config = { ...tinyConfig, length: { steps: 60 }, checkpoint: { every: 3 } }
// Validated between checkpoints, at checkpoints and at the end.
const validate = {
  every: 7,
  evaluator: retrieval,
  dataset: webdataset(shards),
  metric: "imageRetrievalRecall@5",
  patience: 9
}

Pipeline.train(tinyModel, webdataset(shards), config, { validate }).pipe(
  Effect.scoped,
  Effect.provide(live({ dir, begin: "resume", progress: "silent" })),
  NodeRuntime.runMain
)
