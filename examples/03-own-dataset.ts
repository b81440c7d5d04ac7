// Trains on your own pictures: a folder with captions.csv, metadata.jsonl or a .txt beside each picture. Arguments: the
// run's directory and your folder (default: five emoji, through a table that is written here).
import { NodeRuntime } from "@effect/platform-node"
import { captionTable, Dataset, imageFolder, makeDiffClip, Pipeline, retrieval } from "diffclip"
import { live } from "diffclip/node"
import { Console, Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import process from "node:process"

const [out = "runs/03-own-dataset", folder] = process.argv.slice(2)

const captions = ["1f431,a cat face", "2764-fe0f,a red heart", "1f697,a car", "1f355,a pizza", "1f4d7,a book"]
const emoji = Effect.suspend(() => {
  mkdirSync(".cache", { recursive: true })
  writeFileSync(".cache/emoji.csv", `image,caption\n${captions.map((row) => row.replace(",", ".png,")).join("\n")}`)
  return captionTable(".cache/emoji.csv", { imageRoot: "node_modules/emoji-datasource-google/img/google/64" })
})

const tower = { width: 32, layers: 2, numHeads: 2 }
const sides = { imageSize: 32, patchSize: 8, contextLength: 8 }
const model = makeDiffClip("own", { ...sides, vision: tower, text: tower, vocabSize: 49408, embedDim: 32 })
const recipe = { length: { steps: 60 }, batchSize: 5, schedule: { peak: 2e-3, warmup: { steps: 5 } } }

const program = Effect.gen(function* () {
  const pairs = folder === undefined ? yield* emoji : yield* imageFolder(folder)
  const shouted = Dataset.map(pairs, (pair) => ({ ...pair, captions: pair.captions.map((text) => `${text}!`) }))
  const trained = yield* Pipeline.train(model, Dataset.concat(pairs, shouted), recipe)
  yield* Console.log((yield* Pipeline.evaluate(trained, retrieval, pairs)).metrics)
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(live({ dir: out }))))
