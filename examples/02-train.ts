// Trains DiffCLIP ViT-B/16 on CC3M by the paper's recipe, into --out=DIR; DIFFCLIP_CC3M names the shards. Ctrl-C saves;
// --resume goes on. `--tiny` replaces the values (model, data, configuration), not the code: 20 steps on emoji shards.
import { NodeRuntime } from "@effect/platform-node"
import { cc3m, diffClip, openWebdataset, Pipeline, presets } from "diffclip"
import { files, live } from "diffclip/node"
import { Console, Effect } from "effect"
import { prepare } from "./emoji/prepare.ts"

const has = (flag: string): boolean => process.argv.includes(flag)
const out = process.argv.find((argument) => argument.startsWith("--out="))?.slice(6) ?? "runs/02-train"
const services = live({ dir: out, begin: has("--resume") ? "resume" : "fresh" })

const paper = Effect.gen(function* () {
  yield* Console.log(Pipeline.showPlan(yield* Pipeline.plan(diffClip, cc3m)))
  yield* Pipeline.train(diffClip, cc3m).pipe(Effect.scoped, Effect.provide(services))
})

const { model, config } = presets.tiny
const tiny = Effect.gen(function* () {
  const { dir } = yield* prepare({ dir: "runs/demo/shards" })
  const emoji = yield* openWebdataset(`${dir}/train`)
  const short = { ...config, length: { steps: 20 } }
  yield* Console.log(Pipeline.showPlan(yield* Pipeline.plan(model, emoji, short)))
  yield* Pipeline.train(model, emoji, short).pipe(Effect.scoped, Effect.provide(services))
}).pipe(Effect.provide(files))

NodeRuntime.runMain<unknown, void>(has("--tiny") ? tiny : paper)
