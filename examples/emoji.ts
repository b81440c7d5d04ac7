/**
 * "New artist": trains a small DiffCLIP on emoji as Google and Twitter drew them, and asks it about OpenMoji, whose
 * drawings it never saw. Shards, training, evaluation and a report, in some minutes on two CPU cores.
 *
 *     npm run demo -- [--resume] [--out DIR] [--steps N] [--seed N] [--model diffClip|clip]
 *
 * Runs on Node, Bun and Deno; the art comes from npm packages that the repository installs for its tests.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, FileSystem, Path } from "effect"
import { Command, Flag } from "effect/cli"
import { Backend, Pipeline, Progress, readLog, renderReport, version } from "diffclip"
import { cached, openWebdataset } from "diffclip/data"
import { files, live, terminalProgress } from "diffclip/node"
import { attributions } from "./emoji/attributions.ts"
import { OutError } from "./emoji/errors.ts"
import { evaluateAll, lookedAtCaptions, shardsOf } from "./emoji/evaluations.ts"
import { looks } from "./emoji/looks.ts"
import { DEMO_STEPS, emojiClip, emojiDiffClip, emojiRecipe, tokenTable } from "./emoji/model.ts"
import { prepare, type Prepared } from "./emoji/prepare.ts"
import { checkLearned, demoReport, type DemoResults, type DemoRun, resultsTable } from "./emoji/report.ts"
import { setNames } from "./emoji/shardSets.ts"

interface Options {
  readonly out: string
  readonly resume: boolean
  readonly steps: number
  readonly seed: number
  readonly model: "diffClip" | "clip"
}

/** An effect's result with the seconds that it took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.gen(function* () {
    const begin = yield* Clock.currentTimeMillis
    const result = yield* effect
    return [result, ((yield* Clock.currentTimeMillis) - begin) / 1000]
  })

/** What a run leaves in its directory; the shards stay. */
const runFiles = ["checkpoints", "log.jsonl", "config.json", "report.html"]

const clearRun = (out: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const progress = yield* Progress
    const old = yield* Effect.filter(runFiles, (name) => fs.exists(path.join(out, name)))
    if (old.length === 0) return
    if (!(yield* fs.exists(path.join(out, "shards", "prepared.json")))) {
      const message = `${out} has ${old.join(", ")} but no shards of the demo, so another program wrote them: choose ` +
        "another --out"
      return yield* new OutError({ out, message })
    }
    yield* progress.note(`starting afresh: deleting ${old.join(", ")} of the run in ${out} (--resume would go on)`)
    yield* Effect.forEach(old, (name) => fs.remove(path.join(out, name), { recursive: true }), { discard: true })
  })

const prepareShards = (out: string) =>
  Effect.gen(function* () {
    const progress = yield* Progress
    const onPicture = (done: number, total: number) =>
      done % Math.ceil(total / 8) === 0 || done === total ? progress.note(`pictures: ${done} of ${total}`) : Effect.void
    const prepared = yield* prepare({ dir: shardsOf(out)("shards"), onPicture })
    yield* progress.note(
      prepared.made === "reused" ? `shards in ${prepared.dir} are up to date` : `shards written into ${prepared.dir}`
    )
    return prepared
  })

/** Trains, evaluates: the part that is the same for both models but for the attention maps. */
const trainAndEvaluate = ({ steps, seed, model }: Options, prepared: Prepared) =>
  Effect.gen(function* () {
    const table = tokenTable(prepared.concepts)
    const recipe = emojiRecipe(steps, seed)
    const dataset = yield* openWebdataset(shardsOf(prepared.dir)(setNames.train), { name: "emoji" })
    const pictures = yield* cached(dataset)
    if (model === "clip") {
      const clip = emojiClip(table)
      const [trained, training] = yield* timed(Pipeline.train(clip, pictures, recipe))
      const [results, evaluation] = yield* timed(evaluateAll(trained, prepared, () => Effect.succeed([])))
      return { model: clip, results, training, evaluation }
    }
    const diffClip = emojiDiffClip(table)
    const [trained, training] = yield* timed(Pipeline.train(diffClip, pictures, recipe))
    const [results, evaluation] = yield* timed(
      evaluateAll(trained, prepared, (color) => looks(trained, color, lookedAtCaptions))
    )
    return { model: diffClip, results, training, evaluation }
  })

/** The resolved configuration for reading: the token table has thousands of numbers, so long lists are told by length. */
const readConfig = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)).pipe(
    Effect.map((text): unknown =>
      JSON.parse(text, (_, value: unknown) =>
        Array.isArray(value) && value.length > 99 ? `${value.length} numbers` : value)
    )
  )

const writeReport = (out: string, results: DemoResults, run: Omit<DemoRun, "log" | "config">) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const log = yield* readLog(path.join(out, "log.jsonl"))
    const config = yield* readConfig(path.join(out, "config.json"))
    const file = path.join(out, "report.html")
    yield* fs.writeFileString(file, renderReport(demoReport(results, { ...run, log, config })))
    return file
  })

const demo = (options: Options) =>
  Effect.gen(function* () {
    const { out, steps } = options
    const begin = options.resume ? "resume" : "fresh"
    if (!options.resume) yield* clearRun(out)
    const [prepared, preparing] = yield* timed(prepareShards(out))
    yield* Effect.gen(function* () {
      const { announcement } = yield* Backend
      const { model, results, training, evaluation } = yield* trainAndEvaluate(options, prepared)
      const seconds = { preparation: preparing, training, evaluation }
      const run = { model, steps, batchSize: 128, backend: announcement, seconds }
      const report = yield* writeReport(out, results, run)
      yield* Console.log(resultsTable(results))
      yield* Console.log(`\n${Object.entries(seconds).map(([part, s]) => `${part} ${s.toFixed(1)} s`).join(", ")}`)
      yield* Console.log(attributions.map(({ work, author, licence }) => `${work} by ${author}, ${licence}`).join("\n"))
      yield* Console.log(`\n${report}`)
      yield* checkLearned(results, steps)
    }).pipe(Effect.scoped, Effect.provide(live({ dir: out, begin })))
  }).pipe(Effect.provide([files, terminalProgress("text")]))

const command = Command.make("emoji", {
  out: Flag.String("out").pipe(Flag.withDefault("runs/demo"), Flag.withDescription("the run directory")),
  resume: Flag.Boolean("resume").pipe(
    Flag.withDefault(false),
    Flag.withDescription("go on with the run that is there")
  ),
  steps: Flag.Int("steps").pipe(Flag.withDefault(DEMO_STEPS), Flag.withDescription("updates")),
  seed: Flag.Int("seed").pipe(Flag.withDefault(0), Flag.withDescription("of order, crops, captions and weights")),
  model: Flag.Literals("model", ["diffClip", "clip"]).pipe(
    Flag.withDefault("diffClip"),
    Flag.withDescription("differential attention, or the plain baseline")
  )
}, demo)

if (import.meta.main) {
  Command.run(command, { version }).pipe(
    Effect.tapError((error) => error._tag === "ShowHelp" ? Effect.void : Console.error(`demo: ${error.message}`)),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({ disableErrorReporting: true })
  )
}
