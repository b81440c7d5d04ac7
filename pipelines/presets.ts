import { cc12m, cc3m, type PresetDataset } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { diffClip, makeDiffClip } from "../lib/models/index.ts"
import type { DiffClipParams } from "../lib/models/index.ts"
import type { TrainConfigInput } from "./config.ts"

/** A named run: model, data (absent where the caller must give it) and configuration. */
export interface Preset {
  readonly model: Clip<DiffClipParams>
  readonly dataset?: PresetDataset
  readonly config: TrainConfigInput
  /** What it costs and what it should reach, or that nobody has measured it. */
  readonly note: string
}

/** The smallest model that still learns: 32 px, patch 8, width 64, 4 layers, all CLIP tokens. */
const tinyModel = makeDiffClip("tiny", {
  imageSize: 32,
  patchSize: 8,
  vision: { width: 64, layers: 4, numHeads: 4 },
  text: { width: 64, layers: 4, numHeads: 4 },
  contextLength: 24,
  vocabSize: 49408,
  embedDim: 64
}, { truncate: "keepEot" })

const published = (worldSize: number): TrainConfigInput => ({ loss: { name: "asPublished", worldSize } })

/** The names that `--preset` takes. */
export type PresetName = "tiny" | "cc3m" | "cc3mAsPublished" | "cc12m" | "cc12mAsPublished"

/** The table of presets by name. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  // Rung 1: minutes on two CPU cores. Needs --data.
  tiny: {
    model: tinyModel,
    config: {
      length: { steps: 700 },
      batchSize: 128,
      optimizer: { weightDecay: 0.1 },
      schedule: { peak: 1e-3, warmup: { fraction: 0.05 } },
      data: { windowSize: 4096 },
      checkpoint: { every: 100 }
    },
    note: "a small DiffCLIP on your own shards; minutes on two cores for 700 steps"
  },
  // Rung 3, table 2: zero-shot ImageNet 14.4 %. Days on GPUs; not run by us.
  cc3m: { model: diffClip, dataset: cc3m, config: {}, note: "the paper's CC3M run, exact gradient; not run by us" },
  // The same with the gradient of the published code on 4 devices.
  cc3mAsPublished: {
    model: diffClip,
    dataset: cc3m,
    config: published(4),
    note: "the paper's CC3M run with the published gradient; not run by us"
  },
  // Rung 4, table 2: zero-shot ImageNet 33.8 %. Some 10 A100-days; not run by us.
  cc12m: { model: diffClip, dataset: cc12m, config: {}, note: "the paper's CC12M run, exact gradient; not run by us" },
  cc12mAsPublished: {
    model: diffClip,
    dataset: cc12m,
    config: published(8),
    note: "the paper's CC12M run with the published gradient; not run by us"
  }
}

/** The preset of a name, where there is one. */
export const presetNamed = (name: string): Preset | undefined =>
  Object.entries(presets).find(([known]) => known === name)?.[1]
