import type { Tensor } from "@tensorflow/tfjs-core"
import type { DualEncoder, ImageTextBatch, Transform } from "../api/index.ts"
import type { Attention, DiffAttention, SpecTree } from "../nn/index.ts"
import { attention, countSpecs, diffAttention, initialize, lambdaOf } from "../nn/index.ts"
import * as ops from "../ops/index.ts"
import type { Params, Value } from "../tensor/index.ts"
import { headDimOf, ShapeError } from "../tensor/index.ts"
import type { ClipConfig, ClipKind, ClipSizes, PairedHeads } from "./config.ts"
import { lambdaInitOf } from "./config.ts"
import type { ClipParams, ParamsOf } from "./params.ts"
import type { AttentionSpecs } from "./specs.ts"
import { attentionSpecs, clipSpecs, diffAttentionSpecs } from "./specs.ts"
import { checkTokenTable } from "./tokenTable.ts"
import type { Attend, TextTrace, VisionTrace } from "./towers.ts"
import { runText, runVision } from "./towers.ts"

/** Both towers' traces: for goldens, and for looking inside. */
export interface ClipTrace {
  readonly vision: VisionTrace
  readonly text: TextTrace
  readonly imageEmbed: Value
  readonly textEmbed: Value
}

/** Sizes of a model's input that its weights do not depend on, but for positions. */
export type InputSizes = Partial<Pick<ClipConfig, "imageSize" | "contextLength">>

/** A CLIP-like model of joint width E as a value: settings, parameter specs, and pure functions. */
export interface Clip<P extends Params, E extends number = number> extends DualEncoder<P, E> {
  readonly settings: ClipConfig
  /** The parameters before they exist: shapes and initialisation. */
  readonly specs: SpecTree<P>
  /** How many numbers the parameters hold; computed from the specs, nothing is allocated. */
  readonly numParameters: number
  /** The same model for other sizes of input; see `withImageSize` and `withContextLength`. */
  readonly resized: (sizes: InputSizes) => Clip<P, E>
  /** Every stage of both towers. */
  readonly trace: (params: P, batch: ImageTextBatch) => ClipTrace
}

/** Where text is cut and which rows of the vocabulary the model has. */
export interface ClipInput {
  /** Default `asPublished`. */
  readonly truncate?: "asPublished" | "keepEot"
  /**
   * The CLIP id of each row of the token embedding, `vocabSize` of them: 0 first, 49406 and 49407 last. Without one a
   * `vocabSize` below 49408 makes a model for token ids only, which no tokenizer fits.
   */
  readonly tokenTable?: ReadonlyArray<number>
}

interface TowerAttention<A> {
  readonly specs: AttentionSpecs<A>
  readonly attend: (layer: number) => Attend<A>
  readonly lambdas: (name: string, p: A, layer: number) => Readonly<Record<string, Value>>
}

const plain = (numHeads: number, mask: "none" | "causal"): TowerAttention<Attention> => ({
  specs: attentionSpecs,
  attend: () => attention({ numHeads, mask }),
  lambdas: () => ({})
})

const differential = (
  numHeads: number,
  mask: "none" | "causal",
  lambdaInit: ClipConfig["lambdaInit"]
): TowerAttention<DiffAttention> => ({
  specs: diffAttentionSpecs,
  attend: (layer) => diffAttention({ numHeads, mask, lambdaInit: lambdaInitOf(lambdaInit, layer) }),
  lambdas: (name, p, layer) => ({ [name]: lambdaOf(lambdaInitOf(lambdaInit, layer))(p.lambda) })
})

/** ImageNet's statistics, which the published training used (REFERENCE 4.4), not CLIP's. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const

const checkConfig = (name: string, config: ClipConfig, { tokenTable }: ClipInput): void => {
  const { kind, vision, text, imageSize, patchSize, vocabSize, contextLength, embedDim } = config
  const sizes = {
    imageSize,
    patchSize,
    vocabSize,
    contextLength,
    embedDim,
    visionWidth: vision.width,
    textWidth: text.width
  }
  for (const [field, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1) throw new ShapeError(name, `a whole ${field} above 0`, `${size}`)
  }
  if (imageSize % patchSize !== 0) {
    throw new ShapeError(name, `an image size that is a multiple of the patch size ${patchSize}`, `${imageSize}`)
  }
  headDimOf(`${name} vision`, vision.width, vision.numHeads, kind !== "clip")
  headDimOf(`${name} text`, text.width, text.numHeads, kind === "diffClip" || kind === "diffClipStar")
  if (tokenTable !== undefined) checkTokenTable(name, tokenTable, vocabSize)
}

/** Settings whose joint width the compiler knows where it was written as a literal. */
type Wide<E extends number> = ClipConfig & { readonly embedDim: E }

const assemble = <VA, TA, E extends number>(
  name: string,
  settings: Wide<E>,
  vision: TowerAttention<VA>,
  text: TowerAttention<TA>,
  input: ClipInput
): Clip<ClipParams<VA, TA>, E> => {
  checkConfig(name, settings, input)
  const specs = clipSpecs(settings, vision.specs, text.specs)
  const traceImage = (p: ClipParams<VA, TA>, images: Tensor): VisionTrace =>
    runVision(settings, vision.attend, p.visual, images)
  const traceText = (p: ClipParams<VA, TA>, tokens: Tensor): TextTrace => runText(settings, text.attend, p.text, tokens)
  const encodeImage = (p: ClipParams<VA, TA>, images: Tensor): Value =>
    ops.matmul(traceImage(p, images).pooled, p.imageProjection) // [B, Dv] -> [B, E]
  const encodeText = (p: ClipParams<VA, TA>, tokens: Tensor): Value =>
    ops.matmul(traceText(p, tokens).pooled, p.textProjection) // [B, Dt] -> [B, E]
  const transform: Transform<ImageTextBatch> = {
    image: { size: settings.imageSize, ...IMAGENET },
    text: {
      contextLength: settings.contextLength,
      vocabSize: settings.vocabSize,
      truncate: input.truncate ?? "asPublished",
      ...(input.tokenTable === undefined ? {} : { tokenTable: input.tokenTable })
    }
  }
  return {
    name,
    config: { ...settings, truncate: transform.text.truncate, tokenTable: input.tokenTable ?? null },
    settings,
    specs,
    numParameters: countSpecs<ClipParams<VA, TA>>(specs),
    embedDim: settings.embedDim,
    transform,
    resized: (sizes) => assemble(name, { ...settings, ...sizes }, vision, text, input),
    init: (key) => initialize<ClipParams<VA, TA>>(specs, key),
    encodeImage,
    encodeText,
    logitScale: (p) => p.logitScale,
    apply: (p, { images, tokens }) => ({
      imageEmbed: encodeImage(p, images),
      textEmbed: encodeText(p, tokens),
      logitScale: p.logitScale
    }),
    trace: (p, { images, tokens }) => {
      const traces = { vision: traceImage(p, images), text: traceText(p, tokens) }
      return {
        ...traces,
        imageEmbed: ops.matmul(traces.vision.pooled, p.imageProjection),
        textEmbed: ops.matmul(traces.text.pooled, p.textProjection)
      }
    },
    lambdas: (p) =>
      Object.assign(
        {},
        ...p.visual.blocks.map((block, i) => vision.lambdas(`visual.${i}`, block.attn, i)),
        ...p.text.blocks.map((block, i) => text.lambdas(`text.${i}`, block.attn, i))
      )
  }
}

/** A model for each kind, with the parameter tree that belongs to it. */
export type ClipOf<K extends ClipKind, E extends number = number> = Clip<ParamsOf[K], E>

const makers = {
  clip: <E extends number>(name: string, config: Wide<E>, input: ClipInput) =>
    assemble(name, config, plain(config.vision.numHeads, "none"), plain(config.text.numHeads, "causal"), input),
  diffClip: <E extends number>(name: string, config: Wide<E>, input: ClipInput) =>
    bothDifferential(name, config, input),
  diffClipStar: <E extends number>(name: string, config: Wide<E>, input: ClipInput) =>
    bothDifferential(name, config, input),
  diffClipVision: <E extends number>(name: string, config: Wide<E>, input: ClipInput) =>
    assemble(
      name,
      config,
      differential(config.vision.numHeads, "none", config.lambdaInit),
      plain(config.text.numHeads, "causal"),
      input
    )
} satisfies {
  readonly [K in ClipKind]: <E extends number>(name: string, config: Wide<E>, input: ClipInput) => ClipOf<K, E>
}

const bothDifferential = <E extends number>(
  name: string,
  config: Wide<E>,
  input: ClipInput
): ClipOf<"diffClip", E> =>
  assemble(
    name,
    config,
    differential(config.vision.numHeads, "none", config.lambdaInit),
    differential(config.text.numHeads, "causal", config.lambdaInit),
    input
  )

/** The baseline CLIP of any size. Throws ShapeError where sizes or token table do not fit each other. */
export const makeClip = <E extends number>(
  name: string,
  config: ClipSizes<E>,
  input: ClipInput = {}
): ClipOf<"clip", E> => makers.clip<E>(name, { ...config, kind: "clip", lambdaInit: 0.8 }, input)

/**
 * DiffCLIP of any size: differential attention in both towers, lambdaInit 0.8 unless given. A literal odd `numHeads` is
 * a compile error, as anything else that does not fit a ShapeError.
 *
 * @example
 * ```ts
 * import { makeDiffClip, vit } from "diffclip"
 *
 * const small = makeDiffClip("small", { ...vit("S/16"), contextLength: 32 }, { truncate: "keepEot" })
 * console.log(small.numParameters) // computed, nothing is allocated
 * ```
 */
export const makeDiffClip = <E extends number, V extends number, T extends number>(
  name: string,
  config: ClipSizes<E> & {
    readonly vision: PairedHeads<V>
    readonly text: PairedHeads<T>
    readonly lambdaInit?: number
  },
  input: ClipInput = {}
): ClipOf<"diffClip", E> => makers.diffClip(name, { lambdaInit: 0.8, ...config, kind: "diffClip" }, input)

/** DiffCLIP* of any size: lambdaInit depends on the layer. */
export const makeDiffClipStar = <E extends number, V extends number, T extends number>(
  name: string,
  config: ClipSizes<E> & { readonly vision: PairedHeads<V>; readonly text: PairedHeads<T> },
  input: ClipInput = {}
): ClipOf<"diffClipStar", E> =>
  makers.diffClipStar(name, { ...config, kind: "diffClipStar", lambdaInit: "depth" }, input)

/** DiffCLIP-dagger of any size: differential attention in the vision tower only. */
export const makeDiffClipVision = <E extends number, V extends number>(
  name: string,
  config: ClipSizes<E> & { readonly vision: PairedHeads<V>; readonly lambdaInit?: number },
  input: ClipInput = {}
): ClipOf<"diffClipVision", E> =>
  makers.diffClipVision(name, { lambdaInit: 0.8, ...config, kind: "diffClipVision" }, input)

/**
 * The same model for pictures of another size, a multiple of its patch size: all weights keep their shapes but the image
 * positions, which `init.positions: "interpolate"` fits. Throws ShapeError for another size.
 *
 * @example
 * ```ts
 * import { diffClip, withImageSize } from "diffclip"
 *
 * const larger = withImageSize(diffClip, 336)
 * console.log(larger.numParameters - diffClip.numParameters) // 188160: 245 more positions of 768
 * ```
 */
export const withImageSize = <P extends Params, E extends number>(model: Clip<P, E>, imageSize: number): Clip<P, E> =>
  model.resized({ imageSize })

/**
 * The same model for captions of another context length: all weights keep their shapes but the text positions, which
 * `init.positions: "interpolate"` cuts or extends (`fitContext`).
 */
export const withContextLength = <P extends Params, E extends number>(
  model: Clip<P, E>,
  contextLength: number
): Clip<P, E> => model.resized({ contextLength })

/** A model of a kind that is known only at run time, from a stored configuration. */
export const clipFromConfig = (
  name: string,
  config: ClipConfig,
  input: ClipInput = {}
): ClipOf<"clip"> | ClipOf<"diffClip"> | ClipOf<"diffClipVision"> => makers[config.kind](name, config, input)
