import { Effect, Schema } from "effect"
import { officialNames } from "../../lib/checkpoint/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import type { DiffAttention, SpecTree } from "../../lib/nn/index.ts"
import { lookAtDiffAttention, mapSpecs } from "../../lib/nn/index.ts"
import { leavesOf, vjp } from "../../lib/tensor/index.ts"
import type { Engine, Reading } from "../reading.ts"
import { concatReadings } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { check, guardedEffect, inTurn, performGuarded } from "./golden.ts"
import { checkParameter } from "./keyBias.ts"
import type { Row } from "./row.ts"
import { abs, compare, err, failedRow } from "./row.ts"
import { reading, tensorOf, valueOf } from "./tensors.ts"

const Case = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["vision", "text"]),
  B: Schema.Int,
  N: Schema.Int,
  dim: Schema.Int,
  heads: Schema.Int,
  lambda_init: Schema.Finite,
  causal: Schema.Boolean,
  maps: Schema.Boolean,
  x_scale: Schema.Finite,
  lambda_: Schema.Finite,
  lambda64: Schema.Finite
})
type Case = typeof Case.Type

/** GOLDENS 3. Key biases are measured absolutely. */
const limits = { out: err(1e-5), maps: err(5e-6), grad: err(6e-5) }
/** Inputs that were scaled up saturate the softmax: its gradients are ill-conditioned there. */
const saturated = { out: err(1e-4), maps: err(1e-4), grad: err(5e-3) }
const lambdaLimit = err(1e-6)
const keyBias = abs(2e-5)

/** The module's parameters before they exist, and their official names within the module, by path. */
const moduleOf = ({ dim, heads, name }: Case): {
  readonly specs: SpecTree<DiffAttention>
  readonly nameOf: (path: string) => string
} => {
  const tower = { width: dim, layers: 1, numHeads: heads }
  const sizes = { imageSize: 1, patchSize: 1, contextLength: 1, vocabSize: 1, embedDim: 1 }
  const model = makeDiffClip(name, { ...sizes, vision: tower, text: tower })
  const specs = model.specs.visual.blocks[0]?.attn
  if (specs === undefined) throw new Error("a model of one layer has no first block")
  const prefix = "visual.blocks.0.attn."
  const names = new Map(
    officialNames(model.settings).filter(({ path }) => path.startsWith(prefix))
      .map(({ name, path }) => [path.slice(prefix.length), name.slice(prefix.length)])
  )
  const nameOf = (path: string): string => {
    const found = names.get(path)
    if (found === undefined) throw new Error(`the parameter ${path} of differential attention has no official name`)
    return found
  }
  return { specs, nameOf }
}

const verifyCase = (golden: Golden, c: Case): Reading<ReadonlyArray<Row>> => {
  const limit = c.x_scale > 1 ? saturated : limits
  const { specs, nameOf } = moduleOf(c)
  const shape = [c.B, c.N, c.dim]
  const g = tensorOf(golden, `${c.name}/g`, shape)
  const attn = mapSpecs<DiffAttention>(
    specs,
    ({ path, spec }) => valueOf(golden, `${c.name}/w.${nameOf(path)}`, spec.shape)
  )
  const params = { x: valueOf(golden, `${c.name}/x`, shape), attn }
  const options = { numHeads: c.heads, mask: c.causal ? "causal" : "none", lambdaInit: c.lambda_init } as const
  const { outputs, pullback } = vjp(params, (p) => ({ ...lookAtDiffAttention(options)(p.attn, p.x) }))
  const grads = pullback({ out: g })

  const { file } = golden
  const optional = (name: string, found: Float32Array, of: typeof limit.out): ReadonlyArray<Row> =>
    c.maps || golden.has(name) ? [check(golden, name, found, of)] : []
  return concatReadings([
    reading(outputs.lambda, (lambda) => [
      check(golden, `${c.name}/lambda`, lambda, lambdaLimit),
      compare(file, `${c.name} metadata lambda_`, lambda, [c.lambda_], lambdaLimit),
      compare(file, `${c.name} metadata lambda64`, lambda, [c.lambda64], lambdaLimit)
    ]),
    reading(outputs.out, (out) => [
      check(golden, `${c.name}/out`, out, limit.out),
      ...optional(`${c.name}/out64`, out, limit.out)
    ]),
    reading(outputs.first, (first) => optional(`${c.name}/A1`, first, limit.maps)),
    reading(outputs.second, (second) => optional(`${c.name}/A2`, second, limit.maps)),
    ...leavesOf(grads).map(({ path, value }) =>
      reading(value, (found) => {
        const name = path === "x" ? "x" : `w.${nameOf(path.slice("attn.".length))}`
        const grad = { limit: limit.grad, keyBias }
        const name64 = `${c.name}/grad64.${name}`
        return [
          ...checkParameter(golden, `${c.name}/grad.${name}`, path, found, grad),
          ...(c.maps || golden.has(name64) ? checkParameter(golden, name64, path, found, grad) : [])
        ]
      })
    )
  ])
}

/**
 * Rows of `attention.safetensors`: output, both maps, lambda and all gradients of the differential attention module, on
 * an engine. Source: GOLDENS 3.
 */
export const verifyAttention = <E>(golden: Golden, engine: Engine<E>): EngineRows<E> =>
  guardedEffect(golden.file, "cases", () => {
    const cases = golden.json("cases", Schema.Array(Case))
    if (cases.length === 0) {
      return Effect.succeed([failedRow(golden.file, "cases", "expected at least one case, found none")])
    }
    return inTurn(cases.map((c) => performGuarded(engine, golden.file, c.name, () => verifyCase(golden, c))))
  })
