// What does differential attention look at? Writes a page with both maps of each layer and their difference. Arguments: a
// checkpoint (default: the one that `npm run demo` leaves), a picture (default: an emoji) and the page to write.
import { NodeRuntime } from "@effect/platform-node"
import { attentionPage, dataUrl, loadDiffVision, lookAtPictures, meanOverHeads } from "diffclip"
import { decodeOnWhite, encodePng, live } from "diffclip/node"
import { Console, Effect } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import process from "node:process"

const emoji = "node_modules/emoji-datasource-google/img/google/64/1f431.png"
const [checkpoint = "runs/demo", picture = emoji, page = "runs/attention.html"] = process.argv.slice(2)

/** The row and column that get the most weight. */
const peakOf = (map: Float32Array): string => {
  const [side, best] = [Math.sqrt(map.length), map.indexOf(Math.max(...map))]
  return `row ${Math.floor(best / side) + 1}, column ${best % side + 1}`
}

const program = loadDiffVision(checkpoint, (trained) =>
  Effect.gen(function* () {
    const image = yield* decodeOnWhite(readFileSync(picture))
    for (const [index, layer] of (yield* lookAtPictures(trained, [image])).entries()) {
      const peak = peakOf(meanOverHeads(layer.difference, layer, 0))
      yield* Console.log(`layer ${index + 1}: lambda ${layer.lambda.toFixed(3)}, looks most at ${peak}`)
    }
    const { html } = yield* attentionPage(trained, { name: basename(picture), image }, (seen) =>
      Effect.map(encodePng(seen), (png) =>
        dataUrl("image/png", png)))
    writeFileSync(page, html)
    yield* Console.log(page)
  }))

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(live())))
