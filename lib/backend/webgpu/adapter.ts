import { limitNames } from "./limits.ts"

/** What a person reads of an adapter. Browsers leave some of the words empty, Deno gives numbers for others. */
export interface AdapterWords {
  readonly vendor?: string
  readonly architecture?: string
  readonly device?: string
  readonly description?: string
  readonly isFallbackAdapter?: boolean
}

/** An adapter that was found: who it is, and whether it is a program on the CPU. */
export interface FoundAdapter {
  readonly adapter: GPUAdapter
  readonly name: string
  readonly isSoftware: boolean
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|software/i

const wordsOf = ({ vendor, architecture, device, description }: AdapterWords): ReadonlyArray<string> =>
  [vendor, architecture, device, description].filter((word): word is string => word !== undefined && word !== "")

/** `SwiftShader Device (Subzero)`: the description where there is one, else the words that are not mere numbers. */
export const nameOf = (info: AdapterWords): string => {
  if (info.description !== undefined && info.description !== "") return info.description
  const spoken = wordsOf(info).filter((word) => !/^(0x)?\d+$/.test(word))
  return spoken.length === 0 ? "an adapter without a name" : spoken.join(" ")
}

/** Whether an adapter computes on the CPU: by its own flag, or by the names of those that are known. */
export const isSoftware = (info: AdapterWords): boolean =>
  info.isFallbackAdapter === true || wordsOf(info).some((word) => SOFTWARE.test(word))

interface Dawn {
  readonly create: (flags: ReadonlyArray<string>) => GPU
  readonly globals: object
}

const isDawn = (module: unknown): module is Dawn =>
  typeof module === "object" && module !== null && "create" in module && typeof module.create === "function" &&
  "globals" in module && typeof module.globals === "object"

/** A name, not a literal: compilers and bundlers must not look for an optional package. */
const DAWN: string = "webgpu"

/** Dawn through npm `webgpu`, put where a browser has its WebGPU: tfjs looks for it there. Rejects where it is absent. */
const dawn = async (): Promise<GPU> => {
  const module: unknown = await import(DAWN)
  if (!isDawn(module)) throw new TypeError("the package webgpu has no `create` and `globals`")
  Object.assign(globalThis, module.globals)
  const gpu = module.create([])
  if (globalThis.navigator === undefined) {
    Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true, writable: true })
  }
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true })
  return gpu
}

/** What looking for an adapter gave: one, or the reason why there is none and how to get one. */
export type Search = { readonly found: FoundAdapter } | { readonly missing: string; readonly advice: string }

const DRIVERS = "it takes a GPU with a driver for Vulkan, Metal or Direct3D 12"

/** Asks the machine for its fastest adapter. Never rejects: trouble is a reason, too. */
export const findAdapter = async (): Promise<Search> => {
  let gpu: GPU | undefined = globalThis.navigator?.gpu // Deno and browsers have it
  try {
    gpu ??= await dawn()
  } catch (cause) {
    const isAbsent = cause instanceof Error && /cannot find|not found|could not resolve/i.test(cause.message)
    return {
      missing: isAbsent ? "this runtime has none" : `the package webgpu did not load: ${String(cause)}`,
      advice: "`npm install webgpu` brings Dawn to Node and Bun; Deno and browsers have WebGPU of their own"
    }
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" })
    if (adapter === null) {
      return { missing: "the machine has no adapter", advice: DRIVERS }
    }
    return { found: { adapter, name: nameOf(adapter.info), isSoftware: isSoftware(adapter.info) } }
  } catch (cause) {
    return { missing: `asking for an adapter failed: ${String(cause)}`, advice: DRIVERS }
  }
}

/** Used where the adapter has them: half precision, and cooperation within a workgroup, for kernels of our own. */
const FEATURES: ReadonlyArray<GPUFeatureName> = ["shader-f16", "timestamp-query"]

/** A device with all that the adapter offers; by default WebGPU binds 128 MiB at most. An adapter gives one device. */
export const openDevice = (adapter: GPUAdapter): Promise<GPUDevice> =>
  adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(limitNames.map((limit) => [limit, adapter.limits[limit]]))
  })
