/** How large things are on each kind of adapter; the whole bench ends within ten minutes on the adapter it is for. */
import { type ClipSizes, vit } from "../../../lib/models/index.ts"

/** `software` ends on a program that computes on two CPU cores, `gpu` is ViT-B/16 as it is trained, `quick` is a trial. */
export const sizeNames = ["quick", "software", "gpu"] as const
/** One of them. */
export type SizeName = (typeof sizeNames)[number]

/** Images or captions, tokens of each, and whether a token sees only what is before it. */
export interface AttentionSize {
  readonly batch: number
  readonly tokens: number
  readonly mask: "none" | "causal"
}

/** What the bench runs. */
export interface Sizes {
  /** Width of the layers whose parts are measured alone, and heads of their attention. */
  readonly width: number
  readonly numHeads: number
  /** Rows of the products: tokens of so many images. */
  readonly gemmRows: number
  /** Inputs and outputs of the linear layers. */
  readonly layers: ReadonlyArray<readonly [inputs: number, outputs: number]>
  readonly attention: ReadonlyArray<AttentionSize>
  /** Rows of layerNorm and GELU. */
  readonly rows: number
  /** Of a DiffCLIP model whose parameters are updated, and batches that its steps are run at. */
  readonly model: ClipSizes
  readonly modelName: string
  readonly batches: ReadonlyArray<number>
  /** Images of a block and of the whole of the model's image tower. */
  readonly blockBatch: number
  readonly towerBatch: number
  /** Bytes of the copy that shares are set beside. */
  readonly copyBytes: number
  /** Turns that count. */
  readonly runs: number
}

const layersOf = (d: number): Sizes["layers"] => [[d, d], [d, 3 * d], [d, 4 * d], [4 * d, d]]

const ti = vit("Ti/16")

/** By name. */
export const sizes: Readonly<Record<SizeName, Sizes>> = {
  quick: {
    width: 16,
    numHeads: 2,
    gemmRows: 17,
    layers: [[16, 32]],
    attention: [{ batch: 1, tokens: 5, mask: "none" }],
    rows: 7,
    modelName: "tiny model",
    model: {
      imageSize: 16,
      patchSize: 8,
      vision: { width: 16, layers: 1, numHeads: 2 },
      text: { width: 16, layers: 1, numHeads: 2 },
      contextLength: 8,
      vocabSize: 50,
      embedDim: 8
    },
    batches: [2],
    blockBatch: 1,
    towerBatch: 1,
    copyBytes: 2 ** 16,
    runs: 1
  },
  software: {
    width: 768,
    numHeads: 12,
    gemmRows: 197,
    layers: layersOf(768),
    attention: [{ batch: 1, tokens: 197, mask: "none" }, { batch: 1, tokens: 77, mask: "causal" }],
    rows: 2 * 197,
    modelName: "ViT-Ti/16 with 2 of 12 layers in each tower, text of width 192",
    model: {
      ...ti,
      vision: { ...ti.vision, layers: 2 },
      text: { width: 192, layers: 2, numHeads: 4 },
      embedDim: 192
    },
    batches: [8],
    blockBatch: 2,
    towerBatch: 2,
    copyBytes: 2 ** 25,
    runs: 3
  },
  gpu: {
    width: 768,
    numHeads: 12,
    gemmRows: 64 * 197,
    layers: layersOf(768),
    attention: [
      ...[1, 8, 64, 256].map((batch) => ({ batch, tokens: 197, mask: "none" } as const)),
      ...[8, 256].map((batch) => ({ batch, tokens: 77, mask: "causal" } as const))
    ],
    rows: 64 * 197,
    modelName: "DiffCLIP ViT-B/16",
    model: vit("B/16"),
    batches: [8, 32, 64],
    blockBatch: 64,
    towerBatch: 64,
    copyBytes: 2 ** 28,
    runs: 7
  }
}
