import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Evaluation } from "../../lib/api/index.ts"
import { labelled, webdataset } from "../../lib/data/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import { formatPercent } from "../../lib/track/index.ts"
import { Pipeline } from "../pipeline.ts"
import { live } from "../node.ts"
import type { DiffclipCommand } from "./command.ts"
import { backend, json } from "./flags.ts"
import { loadNamed, modelFlag } from "./model.ts"

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
  checkpoint: Argument.String("CHECKPOINT").pipe(
    Argument.withDescription("a .safetensors file, a step-N folder or a run directory")
  ),
  protocol: Flag.Literals("protocol", ["zero-shot", "retrieval"]).pipe(
    Flag.withDescription("zero-shot reads .cls members, retrieval captions")
  ),
  data: Flag.String("data").pipe(Flag.withDescription("a directory of shards or a pattern")),
  model: modelFlag,
  backend,
  json
}, (flags) =>
  loadNamed(flags.checkpoint, Option.getOrUndefined(flags.model), (trained) =>
    Effect.gen(function* () {
      const [result, count]: readonly [Evaluation, string] = flags.protocol === "zero-shot" ?
        yield* Effect.map(
          Effect.flatMap(labelled(flags.data), (data) => Pipeline.evaluate(zeroShot, data)(trained)),
          (found) => [found, `${found.n} pictures`] as const
        ) :
        yield* Effect.map(
          Pipeline.evaluate(retrieval, webdataset(flags.data))(trained),
          (found) => [found, `${found.numImages} pictures, all their ${found.numTexts} captions`] as const
        )
      yield* Console.log(flags.json ? object(result) : table(result, count))
    })).pipe(
      Effect.scoped,
      Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" }))
    )).pipe(
    Command.withDescription("ask a trained model about a data set")
  )
