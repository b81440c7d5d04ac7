// Which of these words fits each picture? Arguments: a trained model (default: the one that `npm run demo` leaves) and
// picture files (default: three emoji), put on white as the demo's were. Your own words: change classNames.
import { NodeRuntime } from "@effect/platform-node"
import { loadAny, Pipeline } from "diffclip"
import { decodeOnWhite, live } from "diffclip/node"
import { Console, Effect } from "effect"
import { readFileSync } from "node:fs"
import process from "node:process"

const emoji = (code: string): string => `node_modules/emoji-datasource-google/img/google/64/${code}.png`
const [checkpoint = "runs/demo", ...named] = process.argv.slice(2)
const pictures = named.length > 0 ? named : [emoji("1f431"), emoji("2764-fe0f"), emoji("1f697")]
const classNames = ["cat face", "red heart", "automobile", "pizza", "guitar"]
const templates = ["{}", "a picture of {}"]

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const program = loadAny(checkpoint, (trained) =>
  Effect.gen(function* () {
    const images = yield* Effect.forEach(pictures, (file) => decodeOnWhite(readFileSync(file)))
    const labels = yield* Pipeline.classify(trained, { images, classNames, templates })
    for (const [i, file] of pictures.entries()) {
      const best = labels[i]?.slice(0, 2).map(({ className, probability }) => `${className} ${percent(probability)}`)
      yield* Console.log(`${file}: ${best?.join(", ")}`)
    }
  }))

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(live())))
