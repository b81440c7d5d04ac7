/** Dawn's null backend: it takes every shader through the compiler and computes nothing. No driver is needed. */
import process from "node:process"
import { limitNames } from "../../../lib/backend/webgpu/limits.ts"
import type { PlannedShader } from "../../../lib/backend/webgpu/planDevice.ts"

interface Dawn {
  readonly create: (flags: ReadonlyArray<string>) => GPU
}

const isDawn = (module: unknown): module is Dawn =>
  typeof module === "object" && module !== null && "create" in module && typeof module.create === "function"

const DAWN: string = "webgpu"

/** Why there is no compiler here; undefined where there is. */
export const missingDawn: string | undefined = await import(DAWN).then(
  (module: unknown) => isDawn(module) ? undefined : "the package webgpu has no `create`",
  (cause: unknown) => `the package webgpu did not load: ${String(cause)}`
)
if (missingDawn !== undefined && process.env["DIFFCLIP_REQUIRE_WEBGPU"] !== "1") {
  console.warn(`SKIPPED: no shader can be compiled here: ${missingDawn}`)
}

// Dropped, it would end its devices.
let kept: GPU | undefined

/** A device that compiles; `most` asks for all features and limits that the compiler knows, `least` for none. */
export const nullDevice = async (allows: "least" | "most"): Promise<GPUDevice> => {
  const module: unknown = await import(DAWN)
  if (!isDawn(module)) throw new Error(missingDawn)
  kept ??= module.create(["backend=null", "enable-dawn-features=allow_unsafe_apis"])
  const adapter = await kept.requestAdapter()
  if (adapter === null) throw new Error("Dawn's null backend gave no adapter")
  if (allows === "least") return adapter.requestDevice()
  const requiredLimits = Object.fromEntries(limitNames.map((name) => [name, adapter.limits[name]]))
  const features = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"] as ReadonlyArray<GPUFeatureName>
  const requiredFeatures = features.filter((name) => adapter.features.has(name))
  return adapter.requestDevice({ requiredFeatures, requiredLimits })
}

/** What the compiler has against a shader: errors and warnings of its text, then of its pipeline. */
export const complaints = async (
  device: GPUDevice,
  { label, code, entryPoint }: PlannedShader
): Promise<ReadonlyArray<string>> => {
  device.pushErrorScope("validation")
  const module = device.createShaderModule({ code, label })
  const { messages } = await module.getCompilationInfo()
  const found = messages.filter(({ type }) => type !== "info")
    .map(({ type, message, lineNum }) => `${label}: ${type} in line ${lineNum}: ${message}`)
  if (found.length === 0) device.createComputePipeline({ layout: "auto", label, compute: { module, entryPoint } })
  const error = await device.popErrorScope()
  return error === null || found.length > 0 ? found : [`${label}: ${error.message}`]
}
