/** What a device allows, and what it has: the part of GPUSupportedLimits and features that plans depend on. */
export interface Limits {
  /** Bytes of one buffer. */
  readonly maxBufferSize: number
  /** Bytes that one binding can show to a shader. */
  readonly maxStorageBufferBindingSize: number
  /** Bytes that one workgroup can share. */
  readonly maxComputeWorkgroupStorageSize: number
  /** Threads of one workgroup. */
  readonly maxComputeInvocationsPerWorkgroup: number
  readonly maxComputeWorkgroupSizeX: number
  readonly maxComputeWorkgroupSizeY: number
  /** Workgroups of a dispatch along each axis. */
  readonly maxComputeWorkgroupsPerDimension: number
  readonly maxStorageBuffersPerShaderStage: number
  /** Whether shaders may compute with 16-bit floats. */
  readonly hasF16: boolean
}

/** What every WebGPU device allows. */
export const leastLimits: Limits = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxStorageBuffersPerShaderStage: 8,
  hasF16: false
}

/** The limits that are numbers: those to ask a device for. */
export const limitNames: ReadonlyArray<Exclude<keyof Limits, "hasF16">> = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBuffersPerShaderStage"
]

/** The limits of a device. */
export const limitsOf = ({ limits, features }: Pick<GPUDevice, "limits" | "features">): Limits => ({
  maxBufferSize: limits.maxBufferSize,
  maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
  maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
  maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
  maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
  maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
  maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
  maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
  hasF16: features.has("shader-f16")
})

/** Workgroups along x, y and z. */
export type Groups = readonly [x: number, y: number, z: number]

/**
 * So many workgroups in a row, folded over x and y where one axis holds too few. The last line of y may go past the end:
 * a shader computes `group.y * groups.x + group.x` and leaves where that is not below `count`.
 */
export const foldGroups = (count: number, { maxComputeWorkgroupsPerDimension: most }: Limits): Groups =>
  count <= most ? [count, 1, 1] : [most, Math.ceil(count / most), 1]
