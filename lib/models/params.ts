import type { Attention, Block, DiffAttention, Norm } from "../nn/index.ts"
import type { Value } from "../tensor/index.ts"

/** Parameters of the image tower around an attention A. N = 1 + patches. */
export interface VisionTower<A> {
  /** [1, 1, D] */
  readonly clsToken: Value
  /** [1, N, D] */
  readonly posEmbed: Value
  /** weight [D, 3, p, p], bias [D] */
  readonly patchEmbed: { readonly weight: Value; readonly bias: Value }
  readonly blocks: ReadonlyArray<Block<A>>
  readonly norm: Norm
}

/** Parameters of the text tower around an attention A. */
export interface TextTower<A> {
  /** [V, D] */
  readonly tokenEmbed: Value
  /** [L, D] */
  readonly posEmbed: Value
  readonly blocks: ReadonlyArray<Block<A>>
  readonly norm: Norm
}

/** A two-tower model: VA and TA are the attentions of its towers. */
export interface ClipParams<VA, TA> {
  readonly visual: VisionTower<VA>
  readonly text: TextTower<TA>
  /** [Dv, E], applied as x @ W */
  readonly imageProjection: Value
  /** [Dt, E], applied as x @ W */
  readonly textProjection: Value
  /** The logarithm of the scale, a scalar. */
  readonly logitScale: Value
}

/** Differential attention in both towers: DiffCLIP and DiffCLIP*. */
export type DiffClipParams = ClipParams<DiffAttention, DiffAttention>
/** Ordinary attention in both towers: the baseline. */
export type PlainClipParams = ClipParams<Attention, Attention>
/** Differential attention in the vision tower only: DiffCLIP-dagger. */
export type DiffClipVisionParams = ClipParams<DiffAttention, Attention>

/** The parameter tree of a kind of model. */
export type ParamsOf = {
  readonly clip: PlainClipParams
  readonly diffClip: DiffClipParams
  readonly diffClipStar: DiffClipParams
  readonly diffClipVision: DiffClipVisionParams
}
