/** How a shader uses a buffer: `update` reads and writes it, `write` writes every number of it. */
export type Access = "read" | "write" | "update"

/** A buffer that a shader sees as `array<element>` under the binding's name. */
export interface Binding {
  readonly access: Access
  readonly element: "f32" | "vec4<f32>" | "i32" | "u32" | "vec2<u32>" | "vec4<u32>" | "vec4<f16>"
}

/** Settings that change from dispatch to dispatch: 4-byte numbers, `settings.name` in the body. */
export type UniformType = "u32" | "i32" | "f32"

/** What a shader is made of; `B` are its buffers in the order of their bindings, `U` its settings. */
export interface ShaderText<B extends string, U extends string> {
  readonly bindings: Readonly<Record<B, Binding>>
  readonly uniforms: Readonly<Record<U, UniformType>>
  /** Threads of a workgroup along x and y. */
  readonly workgroup: readonly [x: number, y: number]
  /** Extensions of WGSL, e.g. `f16`. */
  readonly enable?: ReadonlyArray<string>
  /** Constants, functions and `var<workgroup>` before the entry point. */
  readonly declarations?: string
  /**
   * The statements of the entry point. They see `lane` (u32, the thread's number in its workgroup), `local` (its place,
   * vec3<u32>), `group` (the workgroup's place) and `groups` (how many there are).
   */
  readonly body: string
}

/** A shader with a key that no other shader has: all its code depends on is in it. */
export interface Shader<B extends string, U extends string> extends ShaderText<B, U> {
  readonly key: string
}

/** Constants that a shader is compiled with. */
export type Params = Readonly<Record<string, number | boolean | string>>

/**
 * A family of shaders, one for each set of constants. The key is made of name and constants, in the order of their
 * names, so two that differ never meet in the cache of pipelines.
 *
 * @example
 * const double = shaderOf("double", ({ width }: { readonly width: number }) => ({
 *   bindings: { x: { access: "read", element: "f32" }, y: { access: "write", element: "f32" } },
 *   uniforms: { size: "u32" },
 *   workgroup: [width, 1],
 *   body: `let i = group.x * ${width}u + lane; if (i < settings.size) { y[i] = 2.0 * x[i]; }`
 * }))
 */
export const shaderOf = <P extends Params, B extends string, U extends string>(
  name: string,
  make: (params: P) => ShaderText<B, U>
): (params: P) => Shader<B, U> => {
  const made = new Map<string, Shader<B, U>>()
  return (params) => {
    const key = [name, ...Object.keys(params).sort().map((word) => `${word}=${String(params[word])}`)].join(" ")
    const known = made.get(key)
    if (known !== undefined) return known
    const shader = { key, ...make(params) }
    made.set(key, shader)
    return shader
  }
}

/** The WGSL of a shader: bindings in order, settings as the last one, the entry point `main`. */
export const wgslOf = <B extends string, U extends string>(shader: ShaderText<B, U>): string => {
  const bindings = Object.entries<Binding>(shader.bindings)
  const uniforms = Object.entries<UniformType>(shader.uniforms)
  const [x, y] = shader.workgroup
  return [
    ...(shader.enable ?? []).map((extension) => `enable ${extension};`),
    ...bindings.map(([name, { access, element }], i) =>
      `@group(0) @binding(${i}) var<storage, ${access === "read" ? "read" : "read_write"}> ${name}: array<${element}>;`
    ),
    ...(uniforms.length === 0 ? [] : [
      `struct Settings { ${uniforms.map(([name, type]) => `${name}: ${type}`).join(", ")} }`,
      `@group(0) @binding(${bindings.length}) var<uniform> settings: Settings;`
    ]),
    shader.declarations ?? "",
    `@compute @workgroup_size(${x}, ${y}, 1)`,
    "fn main(@builtin(local_invocation_index) lane: u32, @builtin(local_invocation_id) local: vec3<u32>,",
    "  @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {",
    shader.body,
    "}"
  ].join("\n")
}

/** The bytes of a shader's settings, in the order in which it declares them, padded to whole 16 bytes. */
export const packUniforms = <U extends string>(
  types: Readonly<Record<U, UniformType>>,
  values: Readonly<Record<U, number>>
): Uint8Array<ArrayBuffer> => {
  const entries = Object.entries<UniformType>(types)
  const given = new Map(Object.entries<number>(values))
  const view = new DataView(new ArrayBuffer(16 * Math.ceil(entries.length / 4)))
  entries.forEach(([name, type], i) => {
    const value = given.get(name)
    if (value === undefined) throw new Error(`shader settings: no value for ${name}`)
    if (type === "f32") view.setFloat32(4 * i, value, true)
    else if (type === "u32") view.setUint32(4 * i, value, true)
    else view.setInt32(4 * i, value, true)
  })
  return new Uint8Array(view.buffer)
}
