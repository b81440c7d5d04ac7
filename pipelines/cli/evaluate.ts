import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Evaluation } from "../../lib/api/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import { formatPercent } from "../../lib/track/index.ts"
import { Pipeline } from "../pipeline.ts"
import { live } from "../node.ts"
import type { DiffclipCommand } from "./command.ts"
import { dataForms, openLabels, openPairs } from "./data.ts"
import { backend, json } from "./flags.ts"
import { checkpointArgument, loadNamed, modelFlag } from "./model.ts"

const table = ({ protocol, dataset, n, metrics, chance }: Evaluation, count: string): string => {
  const names = Object.keys(metrics)
  const width = Math.max(...names.map((name) => name.length), 6)
  const rows = names.map((name) => {
    const found = metrics[name] ?? Number.NaN
    const guess = chance[name]
    const times = guess === undefined || guess === 0 ? "" : `  ${(found / guess).toFixed(1)} x chance`
    const beside = guess === undefined ? "" : `  (chance ${formatPercent(guess)})`
    return `${name.padEnd(width)}  ${formatPercent(found).padStart(8)}${beside}${times}`
  })
  return [`${protocol} on ${dataset}, n = ${n} (${count})`, ...rows].join("\n")
}

const object = ({ protocol, dataset, n, metrics, chance }: Evaluation): string =>
  JSON.stringify({ protocol, dataset, n, metrics, chance })

/** `diffclip evaluate CHECKPOINT --protocol zero-shot|retrieval --data D [--model M] [--json]`. */
export const evaluateCommand: DiffclipCommand<"evaluate"> = Command.make("evaluate", {
  checkpoint: checkpointArgument(),
  protocol: Flag.Literals("protocol", ["zero-shot", "retrieval"]).pipe(
    Flag.withDescription("zero-shot reads labels, retrieval captions (required)")
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription(
      `for retrieval ${dataForms}; for zero-shot shards with .cls members, or a folder of class folders (required)`
    )
  ),
  model: modelFlag,
  backend,
  json
}, (flags) =>
  loadNamed(flags.checkpoint, Option.getOrUndefined(flags.model), (trained) =>
    Effect.gen(function* () {
      const [result, count]: readonly [Evaluation, string] = flags.protocol === "zero-shot" ?
        yield* Effect.map(
          Effect.flatMap(openLabels(flags.data), ({ dataset }) => Pipeline.evaluate(zeroShot, dataset)(trained)),
          (found) => [found, `${found.n} pictures`] as const
        ) :
        yield* Effect.map(
          Effect.flatMap(openPairs(flags.data), ({ dataset }) => Pipeline.evaluate(retrieval, dataset)(trained)),
          (found) => [found, `${found.numImages} pictures, all their ${found.numTexts} captions`] as const
        )
      yield* Console.log(flags.json ? object(result) : table(result, count))
    })).pipe(
      Effect.scoped,
      Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" }))
    )).pipe(
    Command.withDescription("ask a trained model about a data set")
  )
