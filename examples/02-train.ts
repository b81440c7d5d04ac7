// Trains DiffCLIP ViT-B/16 on CC3M by the paper's recipe, into --out=DIR; DIFFCLIP_CC3M names the shards.
// `--tiny` replaces the values (model, data, configuration), not the code: 20 steps on the demo's emoji shards.
import { cc3m, diffClip, openWebdataset, Pipeline, presets } from "diffclip"
import { files, live } from "diffclip/node"
import { Console, Effect } from "effect"
import { prepare } from "./emoji/prepare.ts"

const isTiny = process.argv.includes("--tiny")
const out = process.argv.find((argument) => argument.startsWith("--out="))?.slice(6) ?? "runs/02-train"

const paper = Effect.gen(function* () {
  yield* Console.log(Pipeline.showPlan(yield* Pipeline.plan(diffClip, cc3m)))
  if (process.env["DIFFCLIP_CC3M"] === undefined) return yield* Console.log("set DIFFCLIP_CC3M to train")
  yield* Pipeline.train(diffClip, cc3m).pipe(Effect.scoped, Effect.provide(live({ dir: out })))
})

const { model, config } = presets.tiny
const tiny = Effect.gen(function* () {
  const { dir } = yield* prepare({ dir: "runs/demo/shards" })
  const emoji = yield* openWebdataset(`${dir}/train`)
  const short = { ...config, length: { steps: 20 } }
  yield* Console.log(Pipeline.showPlan(yield* Pipeline.plan(model, emoji, short)))
  yield* Pipeline.train(model, emoji, short).pipe(Effect.scoped, Effect.provide(live({ dir: out })))
}).pipe(Effect.provide(files))

await Effect.runPromise<void, unknown>(isTiny ? tiny : paper)
