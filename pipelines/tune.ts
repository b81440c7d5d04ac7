import { Effect } from "effect"
import type { Clip } from "../lib/models/index.ts"
import { specsOf } from "../lib/nn/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { sizeOf } from "../lib/tensor/index.ts"
import type { TuneRule } from "./config.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"
import { nearest } from "./nearest.ts"

/** What the rules of a run say about a model's parameters. */
export interface Tuning {
  /** The factor of the schedule's rate for the parameter at a path; 0 is frozen. */
  readonly lrScaleOf: (path: string) => number
  /** Whether the parameter at a path is trained. */
  readonly isTrained: (path: string) => boolean
  /** How many numbers are trained, and how many are frozen. */
  readonly numTrained: number
  readonly numFrozen: number
  /** Of the trained ones, how many have a factor other than 1. */
  readonly numScaled: number
}

/**
 * Locked-image tuning: the image tower and its projection are frozen, the text tower learns to match them.
 * Source: Zhai et al. 2022 (LiT); open_clip's `lock_image_tower`.
 */
export const lockedImage: ReadonlyArray<TuneRule> = [
  { paths: "visual", lrScale: 0 },
  { paths: "imageProjection", lrScale: 0 }
]

/** Rates that fall towards a tower's input. */
export interface LayerwiseDecay {
  readonly tower: "visual" | "text"
  /** Blocks of the tower: `model.settings.vision.layers` or `model.settings.text.layers`. */
  readonly layers: number
  /** The factor from a layer to the one before it, such as 0.75. */
  readonly decay: number
}

/**
 * Layer-wise decay of the rate in one tower: with n blocks, block i (from 0) gets decay^(n - i), everything before the
 * blocks decay^(n + 1), and the final norm and the projection the full rate. Source: Bao et al. 2022 (BEiT), as in MAE.
 *
 * @example
 * ```ts
 * import { diffClip, layerwiseDecay, lockedImage } from "diffclip"
 *
 * const rules = layerwiseDecay({ tower: "visual", layers: diffClip.settings.vision.layers, decay: 0.75 })
 * console.log(rules[0], rules.length, lockedImage) // block 11 with 0.75; 12 blocks and what stands before them
 * ```
 */
export const layerwiseDecay = ({ tower, layers, decay }: LayerwiseDecay): ReadonlyArray<TuneRule> => {
  const rules: Array<TuneRule> = []
  let lrScale = decay // multiplied up, since powers differ between engines
  for (let layer = layers - 1; layer >= 0; layer--) {
    rules.push({ paths: `${tower}.blocks.${layer}`, lrScale })
    lrScale *= decay
  }
  const before = tower === "visual" ? ["clsToken", "posEmbed", "patchEmbed"] : ["tokenEmbed", "posEmbed"]
  return [...rules, ...before.map((name) => ({ paths: `${tower}.${name}`, lrScale }))]
}

/** Whether a pattern names a path or a part of the tree that it lies in; see `TuneRule`. */
export const matcherOf = (pattern: string): (path: string) => boolean => {
  const source = pattern.split(".").map((name, i, all) => {
    if (name === "**") return i === all.length - 1 ? ".*" : "(?:.*\\.)?"
    const escaped = name.replaceAll(/[^\w*]/g, "\\$&").replaceAll(/\*+/g, "[^.]*")
    return i === all.length - 1 ? escaped : `${escaped}\\.`
  })
  const expression = new RegExp(`^${source.join("")}(?:\\..*)?$`)
  return (path) => expression.test(path)
}

/** All parameters and parts of the tree, as a pattern would name them. */
const namesOf = (paths: ReadonlyArray<string>, pattern: string): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const path of paths) {
    // With a star in the pattern, the blocks of a tower are one name.
    const parts = path.split(".").map((name) => (pattern.includes("*") && /^\d+$/.test(name) ? "*" : name))
    parts.forEach((_, i) => names.add(parts.slice(0, i + 1).join(".")))
  }
  return names
}

/**
 * What rules say about a model's parameters: the first that matches wins. Fails with ConfigInvalid for a rule that matches
 * nothing, one whose parameters all belong to earlier rules, and rules that leave nothing to train.
 */
export const tuningOf = <P extends Params>(
  model: Pick<Clip<P>, "name" | "specs">,
  rules: ReadonlyArray<TuneRule>
): Effect.Effect<Tuning, ConfigInvalid> =>
  Effect.gen(function* () {
    const specs = specsOf<P>(model.specs)
    const paths = specs.map(({ path }) => path)
    const scales = new Map<string, number>()
    for (const [i, { paths: pattern, lrScale }] of rules.entries()) {
      const matched = paths.filter(matcherOf(pattern))
      if (matched.length === 0) {
        const near = nearest(namesOf(paths, pattern), pattern, 3).join(", ")
        return yield* invalid(
          `tune.${i}.paths`,
          `expected a pattern that matches parameters of ${model.name}, found ${pattern}; the nearest names are ${near}`
        )
      }
      const fresh = matched.filter((path) => !scales.has(path))
      if (fresh.length === 0) {
        return yield* invalid(
          `tune.${i}.paths`,
          `expected parameters that no earlier rule has, found ${pattern}: the first rule that matches wins, so put ` +
            "this one before the wider ones"
        )
      }
      for (const path of fresh) scales.set(path, lrScale)
    }
    const lrScaleOf = (path: string): number => scales.get(path) ?? 1
    const count = (isCounted: (scale: number) => boolean): number =>
      specs.reduce((sum, { path, spec }) => sum + (isCounted(lrScaleOf(path)) ? sizeOf(spec.shape) : 0), 0)
    const numTrained = count((scale) => scale !== 0)
    if (numTrained === 0) {
      return yield* invalid("tune", "expected something to train, found rules that freeze everything")
    }
    return {
      lrScaleOf,
      isTrained: (path) => lrScaleOf(path) !== 0,
      numTrained,
      numFrozen: count((scale) => scale === 0),
      numScaled: count((scale) => scale !== 0 && scale !== 1)
    }
  })
