import { type Activation, mlpForward, mlpHiddenBackward } from "../../../ops/mlp.ts"
import { type Shader, shaderOf, type ShaderText } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { geluGradWgsl, geluWgsl, quickGeluGradWgsl, quickGeluWgsl } from "./activations.ts"
import { columnSums } from "./columnSums.ts"
import { eachElement, elementWorkgroup, mapped, planElements } from "./elementwise.ts"
import { linear } from "./linear.ts"
import { unitType } from "./rows.ts"

/** Constants of the hidden layer's backward pass. `target`: whether dpre is written over dpost. */
export type HiddenParams = {
  readonly activation: Activation
  readonly isVec4: boolean
  readonly target: "own" | "dpost"
}

const functions: Readonly<Record<Activation, string>> = {
  gelu: `${geluWgsl}\n${geluGradWgsl}`,
  quickGelu: `${quickGeluWgsl}\n${quickGeluGradWgsl}`
}

/** dpost, pre -> dpre = dpost activation'(pre) and post = activation(pre), from one reading of both. */
export const code: (params: HiddenParams) => Shader<string, "units"> = shaderOf(
  "mlpHiddenGrad",
  ({ activation, isVec4, target }: HiddenParams): ShaderText<string, "units"> => {
    const element = unitType(isVec4)
    const isOver = target === "dpost"
    return {
      bindings: {
        dpost: { access: isOver ? "update" : "read", element },
        pre: { access: "read", element },
        post: { access: "write", element },
        ...(isOver ? {} : { dpre: { access: "write", element } })
      },
      uniforms: { units: "u32" },
      workgroup: elementWorkgroup,
      declarations: functions[activation],
      body: eachElement(`let x = pre[i];
${isOver ? "dpost" : "dpre"}[i] = dpost[i] * ${mapped(isVec4, `${activation}Grad`, "x")};
post[i] = ${mapped(isVec4, activation, "x")};`)
    }
  }
)

/**
 * The MLP of a block: bias and activation come with the first product, which writes what it gave the activation as well.
 * Backward, one pass over the hidden layer, then its column sums; dpre takes dpost's memory where nobody else has it.
 */
export const mlpKernels: ReadonlyArray<Replacement> = [
  fused(mlpForward, (gpu, { x, w1, b1, w2, b2 }, { activation }) => {
    const pre = gpu.output([x.shape[0] ?? 0, w1.shape[0] ?? 0])
    const post = linear(gpu, { x, weight: w1, bias: b1, pre, activation })
    const y = linear(gpu, { x: post, weight: w2, bias: b2 })
    gpu.free(post)
    return { y, pre }
  }),
  fused(mlpHiddenBackward, (gpu, { dpost, pre }, { activation }) => {
    const [rows = 0, cols = 0] = pre.shape
    const { params, units, groups } = planElements(rows * cols, gpu.limits)
    const post = gpu.output(pre.shape)
    const isOver = gpu.owners(dpost) === 1
    const dpre = isOver ? gpu.share(dpost) : gpu.output(pre.shape)
    gpu.run(
      code({ activation, ...params, target: isOver ? "dpost" : "own" }),
      { dpost, pre, post, ...(isOver ? {} : { dpre }) },
      { units },
      groups
    )
    return { dpre, post, dbias: columnSums(gpu, dpre, rows, cols) }
  })
]
