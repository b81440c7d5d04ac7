import { Effect } from "effect"
import type { AttentionExample, Backend, Trained, UnitError, WidthMismatch } from "diffclip"
import { Pipeline } from "diffclip"
import type { SampleError, ShardError, ShardServices, WebDataset } from "diffclip/data"
import { cached, labelled, webdataset } from "diffclip/data"
import type { EvaluationError } from "diffclip/eval"
import { makeRetrieval, makeZeroShot, zeroShot } from "diffclip/eval"
import type { Clip } from "diffclip/models"
import type { ImageError } from "diffclip/node"
import { heldOutNames, memberNames } from "./captions.ts"
import { nearestPictures } from "./nearestPictures.ts"
import type { Prepared } from "./prepare.ts"
import type { DemoResults } from "./results.ts"
import { setNames } from "./shardSets.ts"

/** What the report asks the unseen artist for. */
export const askedCaptions: ReadonlyArray<string> = [
  "pizza",
  "dog face",
  "rocket",
  "red heart",
  "guitar",
  "snowman",
  "sailboat",
  "loudly crying face",
  "umbrella",
  "octopus",
  "alarm clock",
  "woman scientist"
]

/** Whose attention the report shows. */
export const lookedAtCaptions: ReadonlyArray<string> = ["dog face", "pizza", "rocket", "alarm clock"]

/** Where the shards of a set lie. */
export const shardsOf = (dir: string) => (name: string): string => `${dir}/${name}`

/** How `evaluateAll` can fail. */
export type EvaluationsError = ShardError | SampleError | ImageError | EvaluationError | UnitError | WidthMismatch

/**
 * Everything that the demo asks of a trained model, on the shards that were prepared. Retrieval queries with the first caption,
 * the name. `look` gives the attention maps of pictures of OpenMoji colour, where the model has any.
 */
export const evaluateAll = <P extends object>(
  trained: Trained<Clip<P>>,
  prepared: Pick<Prepared, "dir" | "concepts">,
  look: (color: WebDataset) => Effect.Effect<ReadonlyArray<AttentionExample>, EvaluationsError, Backend | ShardServices>
): Effect.Effect<DemoResults, EvaluationsError, Backend | ShardServices> =>
  Effect.gen(function* () {
    const at = shardsOf(prepared.dir)
    const retrieval = makeRetrieval({ captions: "first" })
    const retrieve = (name: string) => Pipeline.evaluate(retrieval, webdataset(at(name), { name }))(trained)
    const classify = (name: string, kind: "group" | "subgroup") =>
      Effect.gen(function* () {
        const dataset = yield* cached(yield* labelled(at(name), { name }))
        const byMembers = makeZeroShot({
          names: memberNames(kind, prepared.concepts, dataset.classNames),
          templates: ["{}"]
        })
        return {
          byName: yield* Pipeline.evaluate(zeroShot, dataset)(trained),
          byMembers: yield* Pipeline.evaluate(byMembers, dataset)(trained)
        }
      })
    const color = yield* cached(webdataset(at(setNames.color), { name: setNames.color }))
    return {
      color: yield* Pipeline.evaluate(retrieval, color)(trained),
      nearest: {
        color: yield* Pipeline.evaluate(nearestPictures(askedCaptions, 5), color)(trained),
        heldOut: yield* Pipeline.evaluate(
          nearestPictures(heldOutNames(prepared.concepts, askedCaptions.length), 5),
          webdataset(at(setNames.heldOut.google), { name: setNames.heldOut.google })
        )(trained)
      },
      black: yield* retrieve(setNames.black),
      heldOut: {
        google: yield* retrieve(setNames.heldOut.google),
        twitter: yield* retrieve(setNames.heldOut.twitter),
        color: yield* retrieve(setNames.heldOut.color)
      },
      groups: yield* classify(setNames.groups, "group"),
      subgroups: yield* classify(setNames.subgroups, "subgroup"),
      looks: yield* look(color)
    }
  })
