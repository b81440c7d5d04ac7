import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Dataset, ImageText } from "../../lib/api/index.ts"
import { fromArray } from "../../lib/data/index.ts"
import type { ClipOf } from "../../lib/models/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { fold, keyOf, uniform } from "../../lib/tensor/index.ts"
import { clipTokenizer, tableOf } from "../../lib/text/index.ts"
import type { TrainConfigInput } from "../../pipelines/index.ts"

/** Forty noisy pictures of different sizes with two captions each. */
export const samples: ReadonlyArray<ImageText> = Array.from({ length: 40 }, (_, i) => {
  const [width, height] = [18 + (i % 5), 17 + (i % 3)]
  return {
    key: `sample-${i}`,
    image: { width, height, data: Uint8Array.from(uniform(fold(keyOf(1), i), width * height * 3, 0, 256)) },
    captions: [`number ${i}`, `a picture of number ${i}`]
  }
})

const tokenTable = [...tableOf(clipTokenizer(), samples.flatMap((sample) => sample.captions))]

/** A DiffCLIP that trains a step in some milliseconds. */
export const tinyModel: ClipOf<"diffClip"> = makeDiffClip("tiny", {
  imageSize: 16,
  patchSize: 8,
  vision: { width: 16, layers: 2, numHeads: 4 },
  text: { width: 16, layers: 2, numHeads: 4 },
  contextLength: 12,
  vocabSize: tokenTable.length,
  embedDim: 8
}, { tokenTable, truncate: "keepEot" })

/** The same as a data set. */
export const tinyData: Dataset<ImageText> = fromArray("forty", samples)

/** Eighteen steps over several epochs, windows smaller than an epoch, two micro-batches a step. */
export const tinyConfig: TrainConfigInput = {
  seed: 3,
  length: { steps: 18 },
  batchSize: 8,
  updateFreq: 2,
  schedule: { peak: 1e-3, warmup: { steps: 3 } },
  data: { windowSize: 12, prefetch: 2 },
  checkpoint: { every: 4 }
}

/** A fresh folder under the system's temporary directory. */
export const temporary = (): string => mkdtempSync(join(tmpdir(), "diffclip-"))
