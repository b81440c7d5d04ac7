import { describe, expect, it } from "vitest"
import { diffAttentionModule } from "./attention.ts"
import { at } from "./array.ts"
import { absoluteError, errorOf } from "./compare.ts"
import { arrayOf, arraysUnder, field, goldensWith, list, metadataJson, number, text } from "./golden.ts"
import { backward, variable } from "./tape.ts"

// Golden tensors named `...64` are doubles rounded to F32, so half a unit in the last place, 6e-8, is all that may differ.
const rounding = 1e-7
// The others are float32 results; the limits are those of GOLDENS section 3.
const limits = { out: 1e-5, maps: 5e-6, grad: 6e-5, keyBias: 2e-5 }
const saturated = { out: 1e-4, maps: 1e-4, grad: 5e-3, keyBias: 5e-3 }

describe.each(goldensWith("cases"))(
  "$file",
  (golden) => {
    const cases = list(metadataJson(golden, "cases"), (item) => ({
      name: text(field(item, "name")),
      numHeads: number(field(item, "heads")),
      lambdaInit: number(field(item, "lambda_init")),
      lambda64: number(field(item, "lambda64")),
      causal: field(item, "causal") === true,
      hasMaps: field(item, "maps") === true,
      limit: number(field(item, "x_scale")) > 1 ? saturated : limits
    }))

    it.each(cases)("$name: output, maps, lambda and gradients are those of the official module", (c) => {
      const x = variable(arrayOf(golden, `${c.name}/x`))
      const weights = new Map(
        Object.entries(arraysUnder(golden, `${c.name}/w.`)).map(([name, value]) => [name, variable(value)])
      )
      const parameter = (name: string) => weights.get(name) ?? variable(arrayOf(golden, `${c.name}/w.${name}`))
      const { out, first, second, lambda } = diffAttentionModule(x, parameter, c)
      const expected = (name: string) => arrayOf(golden, `${c.name}/${name}`).data

      expect(Math.abs(at(lambda.value.data, 0) - c.lambda64)).toBeLessThan(1e-14)
      expect(errorOf(out.value.data, expected("out"))).toBeLessThan(c.limit.out)
      if (c.hasMaps) {
        expect(errorOf(out.value.data, expected("out64"))).toBeLessThan(rounding)
        expect(errorOf(first.value.data, expected("A1"))).toBeLessThan(c.limit.maps)
        expect(errorOf(second.value.data, expected("A2"))).toBeLessThan(c.limit.maps)
      }
      const gradients = backward(out, arrayOf(golden, `${c.name}/g`))
      for (const [name, node] of [["x", x] as const, ...[...weights].map(([key, w]) => [`w.${key}`, w] as const)]) {
        const grad = gradients.of(node).data
        if (name.endsWith("k_proj.bias")) {
          expect(absoluteError(grad, new Float64Array(grad.length)), name).toBeLessThan(1e-12)
          expect(absoluteError(grad, expected(`grad.${name}`)), name).toBeLessThan(c.limit.keyBias)
        } else {
          expect(errorOf(grad, expected(`grad.${name}`)), name).toBeLessThan(c.limit.grad)
          if (c.hasMaps) expect(errorOf(grad, expected(`grad64.${name}`)), name).toBeLessThan(rounding)
        }
      }
    })
  }
)
