import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import ts from "typescript"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { entries, programs, specifierOf } from "../../scripts/entries.ts"
import { root } from "../../scripts/root.ts"
import { findRuntime, type RuntimeName, runtimeNames } from "../../scripts/runtime.ts"
import { version } from "../../pipelines/version.ts"
import { browserBundle, type Bundle, gzipped, mergesChunk, packagesAskedFor } from "./bundle.ts"
import { env, makeProject, type Project, run } from "./project.ts"

let project: Project = { folder: "", library: "", said: "", remove: () => {} }
beforeAll(async () => {
  project = await makeProject()
})
afterAll(() => project.remove())

const files = (): ReadonlyArray<string> => readdirSync(project.library, { recursive: true, encoding: "utf8" })
const text = (path: string): string => readFileSync(join(project.library, path), "utf8")
const bundles = [...entries.map(({ bundle }) => bundle), ...Object.keys(programs)]

describe("the tarball", () => {
  it("installs into an empty project without a warning and without a script of its own", () => {
    expect(project.said).toMatch(/added \d+ packages/)
    expect(project.said).not.toMatch(/warn/i)
    const { scripts = {} }: { readonly scripts?: Record<string, string> } = JSON.parse(text("package.json"))
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([])
  })

  it("has every file that its exports and its command name", () => {
    const named = entries.flatMap(({ source, bundle }) => [
      `dist/${bundle}.js`,
      `dist/types/${source.replace(/\.ts$/, ".d.ts")}`
    ])
    const all = [...named, ...Object.keys(programs).map((name) => `dist/${name}.js`)]
    expect(all.filter((path) => !existsSync(join(project.library, path)))).toEqual([])
    expect(text("dist/cli.js")).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it("holds programs, declarations and notices: no source, test, art, map or machine path, and the merges once", () => {
    const top = readdirSync(project.library).sort()
    expect(top).toEqual(["CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "dist", "package.json"])
    const built = files().filter((name) => name.startsWith("dist/") && name.includes("."))
    expect(built.filter((name) => !/\.js$|\.d\.ts$/.test(name))).toEqual([])
    const programs = built.filter((name) => name.endsWith(".js"))
    expect(programs.filter((name) => text(name).includes(root))).toEqual([])
    const merges = programs.filter((name) => /i n.{1,2}t h.{1,2}a n/s.test(text(name)))
    expect(merges.map((name) => basename(name))).toEqual([mergesChunk(project)])
  })

  it("has the declarations that an entry point leads to, and no other", () => {
    const declared = files().filter((name) => name.endsWith(".d.ts"))
    expect(declared).toContain("dist/types/lib/api/model.d.ts")
    expect(declared.filter((name) => /pipelines\/(cli|verify)\//.test(name))).toEqual([])
  })

  it("imports nothing that a user does not install", async () => {
    const { dependencies, peerDependencies }: Record<string, Record<string, string>> = JSON.parse(text("package.json"))
    const names = await packagesAskedFor(project, bundles)
    expect(Object.keys({ ...dependencies, ...peerDependencies })).toEqual(expect.arrayContaining([...names]))
    expect(names).toEqual(expect.arrayContaining(["@tensorflow/tfjs-core", "effect", "sharp"]))
  })
})

describe("the size", () => {
  it("is at most 150 kB for all of `diffclip`, gzipped, without dependencies and without the merges", async () => {
    const { ownBytes, wholeBytes } = await browserBundle(project, "diffclip")
    const isOurs = (name: string) => basename(name) !== mergesChunk(project)
    const programBytes = gzipped(files().filter((name) => name.endsWith(".js") && isOurs(name)).map(text).join(""))
    const typeBytes = gzipped(files().filter((name) => name.endsWith(".d.ts")).map(text).join(""))
    const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`
    console.log(
      `size, gzipped, without merges: diffclip ${kB(ownBytes)} (with effect and tfjs ${kB(wholeBytes)}), ` +
        `all programs of the package with the command line ${kB(programBytes)}, declarations ${kB(typeBytes)}`
    )
    expect(ownBytes).toBeLessThanOrEqual(150_000)
    // A ceiling that catches what is shipped twice; the command line and the goldens' checks are a quarter of it, the WebGPU
    // engine an eighth.
    expect(programBytes).toBeLessThanOrEqual(300_000)
    expect(typeBytes).toBeLessThanOrEqual(150_000)
  })
})

describe("in a browser", () => {
  const isNode = (name: string) => /^(sharp|koffi|webgpu|@effect\/platform-node.*)$/.test(name)
  /** What a browser's bundle may ask Node for: nothing, not even in a line that is never run there. */
  const allowed: Readonly<Record<string, ReadonlyArray<Bundle["outside"][number]>>> = {
    "diffclip": [],
    "diffclip/browser": [],
    "diffclip/models": [],
    "diffclip/data": [],
    "diffclip/eval": [],
    "diffclip/checkpoint": [],
    "diffclip/pipelines": [],
    "diffclip/backend": []
  }

  it.each(Object.entries(allowed))("%s needs nothing of Node to be loaded", async (specifier, expected) => {
    const { outside, packages } = await browserBundle(project, specifier)
    expect(outside).toEqual(expected)
    expect(packages.filter(isNode)).toEqual([])
    expect(packages).toContain("diffclip")
  })

  it("all entry points but diffclip/node are among these", () => {
    expect(entries.map(specifierOf).filter((name) => name !== "diffclip/node").sort())
      .toEqual(Object.keys(allowed).sort())
  })
})

const program = `
import { fromArray, makeDiffClip, Pipeline, retrieval, clipTokenizer, tableOf } from "diffclip"
import { live } from "diffclip/node"
import { Effect } from "effect"
${entries.map((entry, i) => `import * as e${i} from "${specifierOf(entry)}"`).join("\n")}

const empty = [${entries.map((_, i) => `e${i}`).join(", ")}].filter((entry) => Object.keys(entry).length === 0)
const image = { width: 8, height: 8, data: new Uint8Array(192).fill(200) }
const pairs = fromArray("four", ["red", "green", "blue", "grey"].map((key) => ({ key, image, captions: [key] })))
const tokenTable = [...tableOf(clipTokenizer(), ["red", "green", "blue", "grey"])]
const tower = { width: 8, layers: 1, numHeads: 2 }
const tiny = makeDiffClip("tiny", {
  imageSize: 8, patchSize: 4, vision: tower, text: tower, contextLength: 4, vocabSize: tokenTable.length, embedDim: 4
}, { tokenTable, truncate: "keepEot" })
const config = { length: { steps: 1 }, batchSize: 4, schedule: { warmup: { steps: 0 } } }
const dir = process.argv[2]
const { n } = await Pipeline.run(Pipeline.train(tiny, pairs, config).pipe(
  Effect.flatMap(Pipeline.evaluate(retrieval, pairs)),
  Effect.scoped,
  Effect.provide(live({ dir, backend: "cpu", progress: "silent" }))
))
console.log(JSON.stringify({ empty: empty.length, n }))
`

describe.concurrent.each(runtimeNames)("on %s", (name: RuntimeName) => {
  const path = findRuntime(name)
  if (path === undefined) console.warn(`SKIPPED: no ${name} on this machine, the package is not tried there`)
  const start = (...args: ReadonlyArray<string>) =>
    run(path ?? name, [...(name === "deno" ? ["run", "-A", "--node-modules-dir=manual"] : []), ...args], {
      cwd: project.folder,
      env
    })

  it.skipIf(path === undefined)(
    "every entry point loads, and a tiny model trains a step and is evaluated",
    async () => {
      writeFileSync(join(project.folder, "tiny.mjs"), program)
      const { stdout } = await start("tiny.mjs", `runs/${name}`)
      expect(JSON.parse(stdout)).toEqual({ empty: 0, n: 4 })
      expect(existsSync(join(project.folder, "runs", name, "checkpoints/step-1/model.safetensors"))).toBe(true)
    }
  )

  it.skipIf(path === undefined)("the command diffclip runs, its worker threads too", async () => {
    const command = join("node_modules/diffclip/dist/cli.js")
    const [asked, doctor] = await Promise.all([start(command, "--version"), start(command, "doctor", "--json")])
    expect(asked.stdout).toContain(version)
    expect(JSON.parse(doctor.stdout)).toBeTypeOf("object")
  })
})

it("npm links the command", async () => {
  const { stdout } = await run(join(project.folder, "node_modules/.bin/diffclip"), ["--version"], { env })
  expect(stdout).toContain(version)
})

describe("the declarations", () => {
  const user = [
    'import { type Dataset, diffClip, type ImageText, Pipeline, retrieval } from "diffclip"',
    'import { live } from "diffclip/node"',
    'import { Effect } from "effect"',
    ...entries.map((entry, i) => `import type * as e${i} from "${specifierOf(entry)}"`),
    "export const name: string = diffClip.name",
    'export const options: Parameters<typeof live>[0] = { dir: "runs/first" }',
    "declare const pairs: Dataset<ImageText>",
    "export const done: Promise<number> = Pipeline.run(Pipeline.train(diffClip, pairs).pipe(",
    "  Effect.flatMap(Pipeline.evaluate(retrieval, pairs)), Effect.map(({ n }) => n), Effect.scoped, Effect.provide(live())",
    "))",
    "// @ts-expect-error -- a number is no dataset",
    "export const train: unknown = Pipeline.train(diffClip, 1)",
    `export type Entries = [${entries.map((_, i) => `typeof e${i}`).join(", ")}]`
  ].join("\n")

  it.each([
    ["nodenext", ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ["bundler", ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler]
  ])("type-check for a user without skipLibCheck under moduleResolution %s", (name, module, moduleResolution) => {
    const file = join(project.folder, `user-${name}.ts`)
    writeFileSync(file, user)
    const program = ts.createProgram([file], {
      noEmit: true,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      target: ts.ScriptTarget.ES2024,
      types: ["node"],
      typeRoots: [join(project.folder, "node_modules/@types")],
      module,
      moduleResolution
    })
    // The declarations of dependencies are their authors' business, and most of the work.
    const ours = program.getSourceFiles().filter(({ fileName }) =>
      fileName === file || fileName.startsWith(`${project.library}/`)
    )
    const faults = ours.flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source)
    ])
    expect(ours.length).toBeGreaterThan(100)
    expect(
      faults.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`)
    ).toEqual([])
    expect(program.getGlobalDiagnostics()).toEqual([])
  })
})
