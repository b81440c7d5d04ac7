import { Console, Effect, FileSystem, Option, Path } from "effect"
import { Command, Flag } from "effect/cli"
import { formatPercent, plainText } from "../../lib/track/index.ts"
import { classesOf, defaultTemplate, labelsOf } from "../classify.ts"
import { live } from "../node.ts"
import type { DiffclipCommand } from "./command.ts"
import { backend, json } from "./flags.ts"
import { unreadable } from "./io.ts"
import { checkpointArgument, loadNamed, modelFlag } from "./model.ts"
import { pictureFiles, readPicture } from "./pictures.ts"

const CHUNK = 64

/** `diffclip classify CHECKPOINT --images FILE|DIR --classes a,b,c [--template T]... [--top K] [--model M] [--json]`. */
export const classifyCommand: DiffclipCommand<"classify"> = Command.make("classify", {
  checkpoint: checkpointArgument(),
  images: Flag.String("images").pipe(Flag.withDescription("a picture, or a directory of pictures (required)")),
  classes: Flag.String("classes").pipe(
    Flag.withDescription(
      "the classes to choose from: names with commas between, or a .txt file with one a line (required)"
    )
  ),
  template: Flag.String("template").pipe(
    Flag.withDescription(
      `a sentence with {} for the class name; may be given several times (default "${defaultTemplate}")`
    ),
    Flag.atLeast(0)
  ),
  top: Flag.Int("top").pipe(Flag.withDescription("classes to show for each picture (default 3)"), Flag.withDefault(3)),
  model: modelFlag,
  backend,
  json
}, (flags) =>
  loadNamed(flags.checkpoint, Option.getOrUndefined(flags.model), (trained) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const files = yield* pictureFiles(flags.images)
      const classNames = yield* classNamesOf(flags.classes)
      const templates = flags.template.length === 0 ? {} : { templates: flags.template }
      const classes = yield* classesOf(trained, { classNames, ...templates })
      for (let begin = 0; begin < files.length; begin += CHUNK) {
        const part = files.slice(begin, begin + CHUNK)
        const images = yield* Effect.forEach(part, readPicture, { concurrency: 4 })
        const scores = yield* labelsOf(trained, classes, images)
        for (const [i, file] of part.entries()) {
          const best = scores[i]?.slice(0, flags.top) ?? []
          yield* Console.log(
            flags.json ?
              JSON.stringify({ image: file, classes: best }) :
              `${plainText(path.basename(file))}: ${
                best.map(({ className, probability }) => `${plainText(className)} ${formatPercent(probability)}`).join(
                  ", "
                )
              }`
          )
        }
      }
    })).pipe(
      Effect.scoped,
      Effect.provide(live({ backend: flags.backend, progress: "silent", softwareAdapter: "allow" }))
    )).pipe(
    Command.withDescription("zero-shot labels for your own pictures, by a trained model")
  )

const classNamesOf = (classes: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = classes.endsWith(".txt") ?
      yield* Effect.mapError(fs.readFileString(classes), unreadable(classes)) :
      classes.split(",").join("\n")
    return text.split(/\r?\n/).map((name) => name.trim()).filter((name) => name !== "")
  })
