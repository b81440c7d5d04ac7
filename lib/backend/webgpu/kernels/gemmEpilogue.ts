import type { Binding } from "../shader.ts"
import { geluWgsl, quickGeluWgsl } from "./activations.ts"

/** The function between a product and its residual. */
export type EpilogueActivation = "none" | "gelu" | "quickGelu"

/** What a product goes through before it is written: y = activation(pre) + residual, pre = alpha A B + bias. */
export type Epilogue = {
  /** A row [N]. */
  readonly bias: boolean
  /** A matrix laid out as the result. */
  readonly residual: boolean
  /** Whether `pre` is written too. */
  readonly pre: boolean
  readonly activation: EpilogueActivation
}

const functions: Readonly<Record<EpilogueActivation, string>> = { none: "", gelu: geluWgsl, quickGelu: quickGeluWgsl }

/** The bindings, functions and statements of an epilogue; the shader has a setting `alpha`. */
export const epilogue = (
  { bias, residual, pre, activation }: Epilogue,
  storage: "f32" | "f32x4"
): {
  readonly bindings: Readonly<Record<string, Binding>>
  readonly declarations: string
  /** Statements that finish a value and write it to place `at`, in column `column`, both in units of the storage. */
  readonly write: (value: string, at: string, column: string) => string
} => {
  const isVec4 = storage === "f32x4"
  const element = isVec4 ? "vec4<f32>" : "f32"
  const parts = ["x", "y", "z", "w"].map((part) => `${activation}(y.${part})`)
  const active = activation === "none" ? "y" : isVec4 ? `vec4<f32>(${parts.join(", ")})` : `${activation}(y)`
  return {
    bindings: {
      c: { access: "write", element },
      ...(bias ? { bias: { access: "read", element } } : {}),
      ...(residual ? { residual: { access: "read", element } } : {}),
      ...(pre ? { pre: { access: "write", element } } : {})
    },
    declarations: functions[activation],
    write: (value, at, column) =>
      `let y = settings.alpha * ${value}${bias ? ` + bias[${column}]` : ""};
${pre ? `pre[${at}] = y;` : ""}
c[${at}] = ${active}${residual ? ` + residual[${at}]` : ""};`
  }
}
