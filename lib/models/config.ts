import { exp } from "../tensor/index.ts"

/** Which attention sits in which tower. `diffClipVision` is the paper's DiffCLIP-dagger, `diffClipStar` its star. */
export type ClipKind = "clip" | "diffClip" | "diffClipStar" | "diffClipVision"

/** Sizes of one tower. */
export interface TowerConfig {
  readonly width: number
  readonly layers: number
  /** Nominal heads; differential attention pairs them, so it needs an even number. */
  readonly numHeads: number
}

/** Everything about a model that is not trained. `lambdaInit` is here because checkpoints do not hold it. */
export interface ClipConfig {
  readonly kind: ClipKind
  readonly imageSize: number
  readonly patchSize: number
  readonly vision: TowerConfig
  readonly text: TowerConfig
  readonly contextLength: number
  readonly vocabSize: number
  readonly embedDim: number
  /** A constant for all layers, or `depth`: 0.8 - 0.6 exp(-0.3 layer) with layers from 0 (DiffCLIP*). */
  readonly lambdaInit: number | "depth"
}

/** Sizes of a two-tower model, without its kind: what every maker takes. */
export type ClipSizes<E extends number = number> = Omit<ClipConfig, "kind" | "lambdaInit" | "embedDim"> & {
  readonly embedDim: E
}

/** Compiles when H is even, or known at run time only; otherwise the property's name is the compiler's message. */
export type EvenHeads<H extends number> = number extends H ? unknown :
  `${H}` extends `${string}${0 | 2 | 4 | 6 | 8}` ? unknown :
  { readonly "differential attention pairs its heads, so numHeads must be even, not": H }

/** What is asked of a tower with differential attention. */
export interface PairedHeads<H extends number> {
  readonly numHeads: H & EvenHeads<H>
}

/** The lambdaInit of a layer (from 0). Source: DiffCLIP section 3; Differential Transformer for `depth`. */
export const lambdaInitOf = (lambdaInit: ClipConfig["lambdaInit"], layer: number): number =>
  lambdaInit === "depth" ? 0.8 - 0.6 * exp(-0.3 * layer) : lambdaInit

/** LayerNorm's eps: 1e-5, but for the baseline's vision tower, which keeps timm's 1e-6 (REFERENCE 2.1). */
export const layerNormEps = (kind: ClipKind, tower: "vision" | "text"): number =>
  kind === "clip" && tower === "vision" ? 1e-6 : 1e-5

/** Tokens of the image tower: one class token and the patches. */
export const numImageTokens = ({ imageSize, patchSize }: Pick<ClipConfig, "imageSize" | "patchSize">): number =>
  1 + (imageSize / patchSize) ** 2
