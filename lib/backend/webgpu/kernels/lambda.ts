import { lambdaBackward, lambdaForward } from "../../../ops/lambda.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { type RowsParams, rowSum, rowsWorkgroup } from "./rows.ts"

/** One row that a whole workgroup has. */
const whole: RowsParams = { threads: rowsWorkgroup[0], isVec4: false }

/** first = exp(q1 . k1), second = exp(q2 . k2), lambda = first - second + lambdaInit, in one workgroup. */
export const code: (
  params: Record<never, never>
) => Shader<
  "q1" | "k1" | "q2" | "k2" | "lambda" | "first" | "second",
  "width" | "lambdaInit"
> = shaderOf("lambda", () => ({
  bindings: {
    q1: { access: "read", element: "f32" },
    k1: { access: "read", element: "f32" },
    q2: { access: "read", element: "f32" },
    k2: { access: "read", element: "f32" },
    lambda: { access: "write", element: "f32" },
    first: { access: "write", element: "f32" },
    second: { access: "write", element: "f32" }
  },
  uniforms: { width: "u32", lambdaInit: "f32" },
  workgroup: rowsWorkgroup,
  declarations: rowSum(whole, "vec2<f32>"),
  body: `var products = vec2<f32>(0.0);
for (var i = lane; i < settings.width; i += ${whole.threads}u) { products += vec2<f32>(q1[i] * k1[i], q2[i] * k2[i]); }
let both = exp(rowSum(lane, products));
if (lane == 0u) {
  first[0] = both.x;
  second[0] = both.y;
  lambda[0] = both.x - both.y + settings.lambdaInit;
}`
}))

/**
 * dq = sign dy factor k, dk = sign dy factor q for one of both pairs: all four gradients have eleven buffers, and a
 * device need not bind more than eight.
 */
export const gradCode: (
  params: Record<never, never>
) => Shader<"dy" | "factor" | "q" | "k" | "dq" | "dk", "width" | "sign"> = shaderOf("lambdaGrad", () => ({
  bindings: {
    dy: { access: "read", element: "f32" },
    factor: { access: "read", element: "f32" },
    q: { access: "read", element: "f32" },
    k: { access: "read", element: "f32" },
    dq: { access: "write", element: "f32" },
    dk: { access: "write", element: "f32" }
  },
  uniforms: { width: "u32", sign: "f32" },
  workgroup: rowsWorkgroup,
  body: `let up = settings.sign * dy[0] * factor[0];
for (var i = lane; i < settings.width; i += ${whole.threads}u) {
  dq[i] = k[i] * up;
  dk[i] = q[i] * up;
}`
}))

/** One dispatch forward, two backward. */
export const lambdaKernels: ReadonlyArray<Replacement> = [
  fused(lambdaForward, (gpu, { q1, k1, q2, k2 }, { lambdaInit }) => {
    const outputs = { lambda: gpu.output([]), first: gpu.output([]), second: gpu.output([]) }
    const [width = 0] = q1.shape
    gpu.run(code({}), { q1, k1, q2, k2, ...outputs }, { width, lambdaInit }, [1, 1, 1])
    return outputs
  }),
  fused(lambdaBackward, (gpu, { dy, q1, k1, q2, k2, first, second }) => {
    const [width = 0] = q1.shape
    const dq1 = gpu.output([width]), dk1 = gpu.output([width]), dq2 = gpu.output([width]), dk2 = gpu.output([width])
    const shader = gradCode({})
    gpu.run(shader, { dy, factor: first, q: q1, k: k1, dq: dq1, dk: dk1 }, { width, sign: 1 }, [1, 1, 1])
    gpu.run(shader, { dy, factor: second, q: q2, k: k2, dq: dq2, dk: dk2 }, { width, sign: -1 }, [1, 1, 1])
    return { dq1, dk1, dq2, dk2 }
  })
]
