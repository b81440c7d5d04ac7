import { limitNames, type Limits } from "./limits.ts"

/** The text of a shader that would have been compiled. */
export interface PlannedShader {
  readonly label: string
  readonly code: string
  readonly entryPoint: string
}

/** A pipeline as it is asked for here, whose module is what `createShaderModule` made. */
interface AskedPipeline {
  readonly label?: string
  readonly compute: { readonly module: { readonly code: string }; readonly entryPoint?: string }
}

/** A device without memory and arithmetic, and what was asked of it. */
export interface PlanDevice {
  readonly device: GPUDevice
  /** Every shader, each time that one is compiled. */
  readonly shaders: () => ReadonlyArray<PlannedShader>
  readonly dispatches: () => number
}

/** Numbers of a host that are as large as this are not looked at: their copy would be all that a plan takes. */
const MOST_MAPPED = 2 ** 24

/** An object that answers to nothing but what `members` says. Object.create is untyped: the interfaces are far larger. */
const standIn = (prototype: object | null, members: object): ReturnType<typeof Object.create> =>
  Object.create(prototype, Object.getOwnPropertyDescriptors(members))

const bufferOf = ({ size, usage, mappedAtCreation = false }: GPUBufferDescriptor): GPUBuffer =>
  standIn(globalThis.GPUBuffer.prototype, {
    size,
    usage,
    mapState: mappedAtCreation ? "mapped" : "unmapped",
    getMappedRange: () => new ArrayBuffer(size <= MOST_MAPPED ? size : 0),
    unmap: () => undefined,
    destroy: () => undefined
  })

/**
 * A device of such limits as tfjs and our recorder use it: buffers have sizes only, commands are counted. The globals of
 * WebGPU must exist (`withPlanGlobals`).
 */
export const planDevice = (limits: Limits): PlanDevice => {
  const shaders: Array<PlannedShader> = []
  let dispatches = 0
  const nothing = (): undefined => undefined
  const pass = {
    setPipeline: nothing,
    setBindGroup: nothing,
    end: nothing,
    dispatchWorkgroups: () => void dispatches++
  }
  const encoder = { beginComputePass: () => pass, copyBufferToBuffer: nothing, finish: nothing }
  const pipeline = { getBindGroupLayout: nothing }
  const device: GPUDevice = standIn(null, {
    limits: Object.fromEntries(limitNames.map((name) => [name, limits[name]])),
    features: new Set(limits.hasF16 ? ["shader-f16"] : []),
    queue: { writeBuffer: nothing, submit: nothing },
    createBuffer: bufferOf,
    createShaderModule: ({ code }: GPUShaderModuleDescriptor) => ({ code }),
    createComputePipeline: (asked: AskedPipeline) => {
      const { label = "", compute: { module: { code }, entryPoint = "main" } } = asked
      shaders.push({ label, code, entryPoint })
      return pipeline
    },
    createBindGroup: nothing,
    createCommandEncoder: () => encoder
  })
  return { device, shaders: () => shaders, dispatches: () => dispatches }
}

/** Values of GPUBufferUsage that tfjs names. */
const USAGE = {
  MAP_READ: 1,
  MAP_WRITE: 2,
  COPY_SRC: 4,
  COPY_DST: 8,
  UNIFORM: 64,
  STORAGE: 128,
  QUERY_RESOLVE: 512
} as const

const STAND_INS: Readonly<Record<string, unknown>> = {
  GPUBuffer: class {},
  GPUTexture: class {},
  GPUBufferUsage: USAGE
}

const define = (target: object, name: string, value: unknown): () => void => {
  const before = Object.getOwnPropertyDescriptor(target, name)
  Object.defineProperty(target, name, { value, configurable: true, writable: true })
  return () => {
    if (before === undefined) Reflect.deleteProperty(target, name)
    else Object.defineProperty(target, name, before)
  }
}

/** Runs `use` where tfjs finds the globals of WebGPU, on a runtime without it, too. Synchronous. */
export const withPlanGlobals = <A>(use: () => A): A => {
  const undo = Object.entries(STAND_INS)
    .filter(([name]) => Reflect.get(globalThis, name) === undefined)
    .map(([name, value]) => define(globalThis, name, value))
  const { navigator } = globalThis
  if (navigator === undefined) undo.push(define(globalThis, "navigator", { gpu: {} }))
  else if (navigator.gpu === undefined) undo.push(define(navigator, "gpu", {}))
  try {
    return use()
  } finally {
    for (const restore of undo) restore()
  }
}
