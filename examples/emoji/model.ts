import { clipTokenizer, tableOf, type TrainConfigInput } from "diffclip"
import { type ClipOf, type ClipSizes, makeClip, makeDiffClip } from "diffclip/models"
import type { Concept } from "./art.ts"
import { captionsOf, className, isHeldOut, templates } from "./captions.ts"

/**
 * The rows of CLIP's vocabulary that the demo trains: ids of the training captions, the class names and the templates.
 * A word that occurs in held-out captions only has no row, so it is dropped when the model is asked for it.
 */
export const tokenTable = (concepts: ReadonlyArray<Concept>): ReadonlyArray<number> => {
  const seen = concepts.filter((concept) => !isHeldOut(concept))
  const classes = concepts.flatMap((
    { group, subgroup }
  ) => [className("group", group), className("subgroup", subgroup)])
  return Array.from(tableOf(clipTokenizer(), [...seen.flatMap(captionsOf), ...new Set(classes), ...templates]))
}

/** All captions have at most 14 tokens, so a context of 16 cuts none and saves a third of the text tower's work. */
const sizes = (vocabSize: number): ClipSizes => ({
  imageSize: 32,
  patchSize: 8,
  vision: { width: 64, layers: 4, numHeads: 4 },
  text: { width: 64, layers: 4, numHeads: 4 },
  contextLength: 16,
  vocabSize,
  embedDim: 64
})

/** The demo's DiffCLIP, 0.6 million parameters, a third of them token rows. */
export const emojiDiffClip = (table: ReadonlyArray<number>): ClipOf<"diffClip"> =>
  makeDiffClip("emojiDiffClip", sizes(table.length), { tokenTable: table, truncate: "keepEot" })

/** The same without differential attention, to compare with. */
export const emojiClip = (table: ReadonlyArray<number>): ClipOf<"clip"> =>
  makeClip("emojiClip", sizes(table.length), { tokenTable: table, truncate: "keepEot" })

/** How many updates the demo makes. */
export const DEMO_STEPS = 700

/**
 * The demo's recipe, over the paper's: a batch of 128, a peak of 1e-3 (2e-3 does not leave the plateau), weight decay
 * 0.1, 5 % warm-up. The window holds all training pictures, so every epoch is a full shuffle.
 */
export const emojiRecipe = (steps: number, seed: number): TrainConfigInput => ({
  seed,
  length: { steps },
  batchSize: 128,
  optimizer: { weightDecay: 0.1 },
  schedule: { peak: 1e-3, warmup: { fraction: 0.05 } },
  data: { windowSize: 4096 },
  checkpoint: { every: 100 }
})
