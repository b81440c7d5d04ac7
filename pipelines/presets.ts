import { cc12m, cc3m, type PresetDataset } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { diffClip, makeDiffClip, vit } from "../lib/models/index.ts"
import type { DiffClipParams } from "../lib/models/index.ts"
import type { TrainConfigInput } from "./config.ts"
import { assumedGpu, measuredSpeed, showDuration, showFlops, type Speed, stepFlops } from "./flops.ts"

/** A named run: model, data (absent where the caller must give it) and configuration. */
export interface Preset {
  readonly model: Clip<DiffClipParams>
  readonly dataset?: PresetDataset
  readonly config: TrainConfigInput
  /** The rung of the ladder (DESIGN section 9): 0 seconds, 1 minutes, 2 hours on a GPU, 3 days, 4 the paper. */
  readonly rung: 0 | 1 | 2 | 3 | 4
  /** What it costs and what it should reach, or that nobody has measured it. */
  readonly note: string
}

/** Sizes of the golden tiny models, with all CLIP tokens. */
const goldenModel = makeDiffClip("golden", {
  imageSize: 32,
  patchSize: 8,
  vision: { width: 32, layers: 2, numHeads: 4 },
  text: { width: 24, layers: 2, numHeads: 4 },
  contextLength: 16,
  vocabSize: 49408,
  embedDim: 16
}, { truncate: "keepEot" })

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

/** A run's total cost, in operations and in time at a speed that its reader may know. */
const cost = (
  model: Preset["model"],
  passes: { readonly batchSize: number; readonly microBatch: number | null },
  steps: number,
  speeds: ReadonlyArray<Speed> = [measuredSpeed, assumedGpu]
): string => {
  const flops = steps * stepFlops(model.settings, { ...passes, updateFreq: 1, checkpointBlocks: "none" })
  const times = speeds.map((speed) => `${showDuration(flops, speed)} at ${speed.gflops / 1000} TFLOP/s (${speed.of})`)
  return `${showFlops(flops)}, ${times.join(", ")}`
}

/** The paper's batch in micro-batches that a GPU of 24 GB should hold (estimated, not measured). */
const PAPER = { batchSize: 4096, microBatch: 64 } as const
const CC3M_STEPS = 22_440 // 40 epochs of 561
const CC12M_STEPS = 77_120 // 40 epochs of 1928
const SUBSET = { batchSize: 1024, microBatch: 128 } as const
const SUBSET_STEPS = 3_880 // 40 epochs of 97

const published = (worldSize: number): TrainConfigInput => ({ ...PAPER, loss: { name: "asPublished", worldSize } })

const subset: TrainConfigInput = {
  ...SUBSET,
  length: { steps: SUBSET_STEPS },
  schedule: { warmup: { fraction: 0.025 } },
  checkpoint: { every: 97 }
}
const subsetNote = (model: Preset["model"]): string =>
  `100,000 pairs: ten shards of CC3M as img2dataset writes them, --data "DIR/{00000..00009}.tar"; ${
    cost(model, SUBSET, SUBSET_STEPS)
  }; what it reaches is not yet measured`
const subsetTi = makeDiffClip("diffClipTi16", vit("Ti/16"))
const subsetS = makeDiffClip("diffClipS16", vit("S/16"))

const cc3mCost = cost(diffClip, PAPER, CC3M_STEPS)
const cc12mCost = cost(diffClip, PAPER, CC12M_STEPS)

/** The names that `--preset` takes. */
export type PresetName =
  | "golden"
  | "tiny"
  | "cc3m100kTi"
  | "cc3m100kS"
  | "cc3m"
  | "cc3mAsPublished"
  | "cc12m"
  | "cc12mAsPublished"

/** The table of presets by name; times of each note are computed by `flops.ts`. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  // Rung 0, GOLDENS 4: the size of the golden models, seconds on a CPU. Shows that a run works; learns little. Needs --data.
  golden: {
    model: goldenModel,
    rung: 0,
    config: {
      length: { steps: 20 },
      batchSize: 32,
      optimizer: { weightDecay: 0.1 },
      schedule: { peak: 1e-3, warmup: { fraction: 0.1 } },
      data: { windowSize: 512 }
    },
    note: "the size of the golden models on your own pairs, twenty steps: seconds on two cores, to see that a run works"
  },
  // Rung 1, the demo's recipe (examples/emoji.ts; no table of the paper): minutes on two CPU cores. Needs --data.
  tiny: {
    model: tinyModel,
    rung: 1,
    config: {
      length: { steps: 700 },
      batchSize: 128,
      optimizer: { weightDecay: 0.1 },
      schedule: { peak: 1e-3, warmup: { fraction: 0.05 } },
      data: { windowSize: 4096 },
      checkpoint: { every: 100 }
    },
    note: "a small DiffCLIP on your own pairs, with the recipe of the demo on emoji and clip-art; " +
      `${
        cost(tinyModel, { batchSize: 128, microBatch: null }, 700, [measuredSpeed])
      }; what it reaches depends on the data`
  },
  // Rung 2, no table of the paper: hours on a GPU (3.7 and 6.7 at 10 TFLOP/s). Not run by us, not yet measured. Needs --data.
  cc3m100kTi: { model: subsetTi, rung: 2, config: subset, note: subsetNote(subsetTi) },
  cc3m100kS: { model: subsetS, rung: 2, config: subset, note: subsetNote(subsetS) },
  // Rung 3, table 2: zero-shot ImageNet 14.4 %, recall@5 30.1 % image, 40.1 % text. Days on a GPU; not run by us.
  cc3m: {
    model: diffClip,
    dataset: cc3m,
    rung: 3,
    config: PAPER,
    note: `the paper's CC3M run with the exact gradient; ${cc3mCost}; table 2: zero-shot ImageNet 14.4 % (with the ` +
      "published gradient); not run by us"
  },
  // The same with the gradient of the published code on 4 devices.
  cc3mAsPublished: {
    model: diffClip,
    dataset: cc3m,
    rung: 3,
    config: published(4),
    note:
      `the paper's CC3M run with the published gradient; ${cc3mCost}; table 2: zero-shot ImageNet 14.4 %; not run by us`
  },
  // Rung 4, table 2: zero-shot ImageNet 33.8 %, recall@5 55.3 % image, 70.1 % text. Some 10 A100-days; not run by us.
  cc12m: {
    model: diffClip,
    dataset: cc12m,
    rung: 4,
    config: PAPER,
    note: `the paper's CC12M run with the exact gradient; ${cc12mCost}; table 2: zero-shot ImageNet 33.8 % (with the ` +
      "published gradient); not run by us"
  },
  // The same with the gradient of the published code on 8 devices.
  cc12mAsPublished: {
    model: diffClip,
    dataset: cc12m,
    rung: 4,
    config: published(8),
    note:
      `the paper's CC12M run with the published gradient; ${cc12mCost}; table 2: zero-shot ImageNet 33.8 %, on some ` +
      "10 A100-days; not run by us"
  }
}

/** The preset of a name, where there is one. */
export const presetNamed = (name: string): Preset | undefined =>
  Object.entries(presets).find(([known]) => known === name)?.[1]
