// Evaluates a trained model: retrieval both ways, then zero-shot classification. Arguments: a checkpoint (default: the one
// that `npm run demo` leaves), shards with captions, and shards with labels and classnames.txt beside them.
import { NodeRuntime } from "@effect/platform-node"
import { labelled, loadAny, Pipeline, retrieval, webdataset, zeroShot } from "diffclip"
import type { Evaluation } from "diffclip"
import { live } from "diffclip/node"
import { Console, Effect } from "effect"
import process from "node:process"

const art = "runs/demo/shards/openmoji-color"
const [checkpoint = "runs/demo", pairs = art, labels = `${art}-groups`] = process.argv.slice(2)

const show = ({ protocol, dataset, n, metrics, chance }: Evaluation) =>
  Console.log([
    `${protocol} on ${dataset}, n = ${n}`,
    ...Object.entries(metrics).map(([name, value]) =>
      `  ${name.padEnd(24)} ${(100 * value).toFixed(2).padStart(6)} %   chance ${
        (100 * (chance[name] ?? 0)).toFixed(2)
      } %`
    )
  ].join("\n"))

const program = loadAny(checkpoint, (trained) =>
  Effect.gen(function* () {
    yield* show(yield* Pipeline.evaluate(trained, retrieval, webdataset(pairs)))
    yield* show(yield* Pipeline.evaluate(trained, zeroShot, yield* labelled(labels)))
  }))

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(live())))
