import { Console, Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { Dataset, ImageLabel, ImageText } from "../../lib/api/index.ts"
import type { SampleError, ShardServices } from "../../lib/data/index.ts"
import { packDataset, shown } from "../../lib/data/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { clipTokenizer } from "../../lib/text/index.ts"
import { invalid } from "../errors.ts"
import { presets } from "../presets.ts"
import type { DiffclipCommand } from "./command.ts"
import { dataForms, openLabels, openPairs } from "./data.ts"
import type { OpenDataError, Opened, OpenOptions, PairsError } from "./data.ts"
import { CheckFailed } from "./errors.ts"
import { json } from "./flags.ts"
import type { Summary } from "./tally.ts"
import { makeRepeats, makeTally } from "./tally.ts"

const location = Argument.String("DATA").pipe(Argument.withDescription(dataForms))

const kind = Flag.Literals("kind", ["captions", "labels"]).pipe(
  Flag.withDescription("captions, or labels: shards with .cls members, or a folder of class folders"),
  Flag.withDefault("captions")
)

type Samples = Dataset<ImageText | ImageLabel, PairsError, ShardServices>

const open = (
  text: string,
  what: "captions" | "labels",
  options: OpenOptions
): Effect.Effect<Opened<Samples>, OpenDataError, ShardServices> =>
  what === "labels" ? openLabels(text, options) : openPairs(text, { ...options, presets: "counted" })

/** All samples in stored order, a few at a time: when reading breaks off, those before it were counted. */
const readAll = <S, E, R>(dataset: Dataset<S, E, R>, use: (sample: S) => void): Effect.Effect<void, E, R> =>
  Stream.runForEach(
    dataset.windows({ seed: 0, windowSize: 8, order: "sequential" }, { epoch: 0, delivered: 0 }),
    (window) => Effect.sync(() => window.forEach(use))
  )

/** Bad samples of a reading: counted by reason, the first ones in words. */
const ledger = (numMessages: number) => {
  const reasons = new Map<string, number>()
  const messages: Array<string> = []
  return {
    reasons,
    messages,
    count: (): number => [...reasons.values()].reduce((sum, count) => sum + count, 0),
    onBadSample: {
      policy: "skip",
      ceiling: Infinity,
      report: ({ message, reason }: SampleError) =>
        Effect.sync(() => {
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
          if (messages.length < numMessages) messages.push(message)
        })
    } as const
  }
}

/** The context of the preset that `train` takes where none is named. */
const tinyContext = presets.tiny.model.transform.text.contextLength

const checkCommand: DiffclipCommand<"check"> = Command.make("check", {
  location,
  kind,
  messages: Flag.Int("messages").pipe(
    Flag.withDescription("how many bad samples are told in words"),
    Flag.withDefault(10)
  ),
  json
}, (flags) =>
  Effect.gen(function* () {
    const bad = ledger(flags.messages)
    const { dataset, recognised } = yield* open(flags.location, flags.kind, { onBadSample: bad.onBadSample })
    let good = 0
    const stopped = yield* Effect.result(readAll(dataset, () => void good++))
    const reasons = Object.fromEntries(bad.reasons)
    const failure = stopped._tag === "Failure" ? stopped.failure : undefined
    const found = {
      ...{ data: flags.location, recognised, good, bad: bad.count(), reasons, messages: bad.messages },
      ...(failure === undefined ? {} : { stopped: failure.message })
    }
    const lines = [
      `${shown(flags.location)} is ${recognised}`,
      `${good} good, ${found.bad} bad${failure === undefined ? "" : ", then it cannot be read further"}`,
      ...[...bad.reasons].map(([reason, count]) => `  ${reason} ${count}`),
      ...bad.messages,
      ...(found.bad > bad.messages.length ? [`… and ${found.bad - bad.messages.length} more`] : [])
    ]
    yield* Console.log(flags.json ? JSON.stringify(found) : lines.join("\n"))
    if (failure !== undefined) return yield* Effect.fail(failure)
    if (found.bad > 0) {
      return yield* new CheckFailed({ message: `${found.bad} of ${good + found.bad} samples cannot be used` })
    }
  })).pipe(Command.withDescription("read everything once and say what cannot be used"))

const row = (name: string, summary: Summary | undefined): string =>
  summary === undefined ?
    `${name.padEnd(20)}none` :
    `${name.padEnd(20)}min ${summary.min}, median ${summary.median}, mean ${summary.mean.toFixed(1)}, ` +
    `95 % up to ${summary.p95}, max ${summary.max}`

const statsCommand: DiffclipCommand<"stats"> = Command.make(
  "stats",
  { location, json },
  (flags) =>
    Effect.gen(function* () {
      const bad = ledger(0)
      const { dataset, recognised } = yield* open(flags.location, "captions", { onBadSample: bad.onBadSample })
      const tokenizer = clipTokenizer()
      const [width, height, captions, tokens] = [makeTally(), makeTally(), makeTally(), makeTally()]
      const [pictures, texts] = [makeRepeats(), makeRepeats()]
      const encoder = new TextEncoder()
      let [pairs, tooLong, tooLongForTiny] = [0, 0, 0]
      yield* readAll(dataset, (sample) => {
        pairs++
        width.add(sample.image.width)
        height.add(sample.image.height)
        pictures.add(sample.image.data)
        const list = "captions" in sample ? sample.captions : []
        captions.add(list.length)
        for (const caption of list) {
          const length = tokenizer.encode(caption).length + 2 // start and end of text
          tokens.add(length)
          if (length > tokenizer.contextLength) tooLong++
          if (length > tinyContext) tooLongForTiny++
          texts.add(encoder.encode(caption))
        }
      })
      const found = {
        ...{ data: flags.location, recognised, pairs, bad: bad.count() },
        ...{ width: width.summary(), height: height.summary() },
        ...{
          captionsPerPicture: captions.summary(),
          tokensPerCaption: tokens.summary(),
          captionsOver77Tokens: tooLong
        },
        ...{ duplicatePictures: pictures.count(), duplicateCaptions: texts.count() }
      }
      const lines = [
        `${shown(flags.location)} is ${recognised}`,
        `${pairs} pairs${
          found.bad === 0 ? "" : `, and ${found.bad} that cannot be used (diffclip data check says why)`
        }`,
        row("width", found.width),
        row("height", found.height),
        row("captions a picture", found.captionsPerPicture),
        row("tokens a caption", found.tokensPerCaption),
        `${tooLong} captions are longer than the 77 tokens of CLIP's context and will be cut; ${tooLongForTiny} are longer than ` +
        `the ${tinyContext} of the preset tiny`,
        `${found.duplicatePictures} pictures and ${found.duplicateCaptions} captions came before`
      ]
      yield* Console.log(flags.json ? JSON.stringify(found) : lines.join("\n"))
    })
).pipe(Command.withDescription("pairs, sizes, lengths of captions, duplicates"))

const packCommand: DiffclipCommand<"pack"> = Command.make("pack", {
  location,
  kind,
  out: Flag.String("out").pipe(Flag.withDescription("the folder to make; it must be new or empty (required)")),
  perShard: Flag.Int("per-shard").pipe(Flag.withDescription("samples in a shard"), Flag.withDefault(1000)),
  skipBad: Flag.Int("skip-bad").pipe(
    Flag.withDescription("leave out up to this many bad samples (default: fail at the first)"),
    Flag.optional
  ),
  json
}, (flags) =>
  Effect.gen(function* () {
    if (flags.perShard < 1) return yield* invalid("per-shard", `expected samples in a shard, got ${flags.perShard}`)
    const ceiling = Option.getOrUndefined(flags.skipBad)
    let skipped = 0
    const onBadSample = ceiling === undefined ? { policy: "fail" } as const : {
      ...{ policy: "skip", ceiling } as const,
      report: ({ message }: SampleError) =>
        Effect.suspend(() => {
          skipped++
          return Console.error(`left out: ${message}`)
        })
    }
    const { dataset, recognised } = yield* open(flags.location, flags.kind, { onBadSample })
    const packed = yield* packDataset(dataset, flags.out, { encodePng, samplesPerShard: flags.perShard })
    const { numEncoded, numKept, numSamples, shards } = packed
    const found = {
      ...{ data: flags.location, recognised, out: flags.out, samples: numSamples, shards: shards.length },
      ...{ keptFiles: numKept, encodedAgain: numEncoded, leftOut: skipped }
    }
    const line = `${flags.out}: ${numSamples} samples in ${shards.length} shards; ${numKept} pictures as their files ` +
      `were, ${numEncoded} encoded as PNG, ${skipped} samples left out`
    yield* Console.log(flags.json ? JSON.stringify(found) : line)
  })).pipe(Command.withDescription("write a data set as webdataset shards, pictures as they are"))

/** `diffclip data check|stats|pack DATA`. */
export const dataCommand: DiffclipCommand<"data"> = Command.make("data").pipe(
  Command.withDescription("look at a data set, or write it as shards"),
  Command.withSubcommands([checkCommand, statsCommand, packCommand])
)
