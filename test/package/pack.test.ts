import { execFile } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import process from "node:process"
import { promisify } from "node:util"
import ts from "typescript"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { entries, programs, specifierOf } from "../../scripts/entries.ts"
import { root } from "../../scripts/root.ts"
import { findRuntime, type RuntimeName, runtimeNames } from "../../scripts/runtime.ts"

const run = promisify(execFile)
const node = process.execPath
// npm runs a script with whatever node comes first on the PATH.
const env = {
  ...process.env,
  PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}`,
  npm_config_update_notifier: "false"
}

/** A user's project: the unpacked tarball and our installed dependencies, so that nothing is downloaded. */
let project = ""
let unpacked = ""

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "diffclip-pack-"))
  await run(node, ["node_modules/tsup/dist/cli-default.js"], { cwd: root, env })
  await run(node, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { cwd: root, env })
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project], { cwd: root, env })
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) ?? "no tarball"
  await run("tar", ["-xzf", tarball], { cwd: project })
  const modules = join(project, "node_modules")
  mkdirSync(modules)
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".") && name !== "diffclip") symlinkSync(join(root, "node_modules", name), join(modules, name))
  }
  unpacked = join(modules, "diffclip")
  await run("mv", ["package", unpacked], { cwd: project })
  writeFileSync(join(project, "package.json"), '{ "type": "module" }\n')
})

afterAll(() => rmSync(project, { recursive: true, force: true }))

/** Modules that a bundle imports: its own chunks by path, others by name. */
const importsOf = (path: string, kind: "static" | "all"): ReadonlyArray<string> => {
  const text = readFileSync(path, "utf8")
  const later = new Set([...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, name]) => name))
  const all = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
  return kind === "all" ? all : all.filter((name) => !later.has(name))
}

/** Everything from outside that loading a bundle may bring in. */
const reachable = (bundle: string, kind: "static" | "all"): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const others = new Set<string>()
  const visit = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    for (const name of importsOf(path, kind)) {
      if (name.startsWith(".")) visit(resolve(dirname(path), name))
      else others.add(name)
    }
  }
  visit(join(unpacked, "dist", `${bundle}.js`))
  return [...others].sort()
}

describe("the published package", () => {
  it("has every file that its exports and its command name", () => {
    const files = entries.flatMap(({ source, bundle }) => [
      source,
      `dist/${bundle}.js`,
      `dist/types/${source.replace(/\.ts$/, ".d.ts")}`
    ])
    const all = [...files, ...Object.keys(programs).map((name) => `dist/${name}.js`)]
    expect(all.filter((path) => !existsSync(join(unpacked, path)))).toEqual([])
    expect(readFileSync(join(unpacked, "dist/cli.js"), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it("carries the merges and its notices, but neither tests, art nor machine paths", () => {
    const files = readdirSync(unpacked, { recursive: true, encoding: "utf8" })
    expect(files).toEqual(expect.arrayContaining(["LICENSE", "NOTICE", "README.md", "CHANGELOG.md"]))
    expect(files).toContain("lib/text/merges.generated.ts")
    expect(files.filter((name) => /^(test|examples|scripts|node_modules)\b|\.(png|svg|safetensors)$/.test(name)))
      .toEqual([])
    const scripts = files.filter((name) => name.endsWith(".js"))
    expect(scripts.filter((name) => readFileSync(join(unpacked, name), "utf8").includes(root))).toEqual([])
  })

  it.each(["diffclip", "models", "data", "eval", "checkpoint", "backend"])("loads no node: module for %s", (bundle) => {
    expect(reachable(bundle, "static").filter((name) => name.startsWith("node:"))).toEqual([])
  })

  it("asks for worker threads alone, and only when it starts some, in what a browser may load", () => {
    const asked = reachable("diffclip", "all").filter((name) => name.startsWith("node:"))
    expect(asked.filter((name) => name !== "node:worker_threads")).toEqual([])
  })

  it("imports nothing that a user does not install", () => {
    const { dependencies, peerDependencies }: Record<string, Record<string, string>> = JSON.parse(
      readFileSync(join(unpacked, "package.json"), "utf8")
    )
    const installed = Object.keys({ ...dependencies, ...peerDependencies })
    const all = [...entries.map(({ bundle }) => bundle), ...Object.keys(programs)].flatMap((bundle) =>
      reachable(bundle, "all")
    )
    const names = all
      .filter((name) => !name.startsWith("node:"))
      .map((name) => name.split("/").slice(0, name.startsWith("@") ? 2 : 1).join("/"))
    expect([...new Set(names)].sort()).toEqual(installed.sort())
  })
})

const threeLines = `
import { clipTokenizer, diffClip } from "diffclip"
import { live } from "diffclip/node"
console.log(diffClip.name, clipTokenizer.tokenize === undefined ? "no" : "yes", typeof live)
`

describe.each(runtimeNames)("the package on %s", (name: RuntimeName) => {
  const path = findRuntime(name)
  if (path === undefined) console.warn(`SKIPPED: no ${name} on this machine, the package is not tried there`)
  const start = (...args: ReadonlyArray<string>) =>
    run(path ?? name, [...(name === "deno" ? ["run", "-A", "--node-modules-dir=manual"] : []), ...args], {
      cwd: project,
      env
    })

  it.skipIf(path === undefined)("gives every entry point, and trains nothing by itself", async () => {
    const program = entries.map((entry, i) => `import * as e${i} from "${specifierOf(entry)}"`).join("\n")
    const names = entries.map((_, i) => `Object.keys(e${i}).length > 0`).join(", ")
    writeFileSync(join(project, "all.mjs"), `${program}\nconsole.log([${names}].every(Boolean))\n`)
    expect((await start("all.mjs")).stdout.trim()).toBe("true")
  })

  it.skipIf(path === undefined)("runs three lines", async () => {
    writeFileSync(join(project, "three.mjs"), threeLines)
    expect((await start("three.mjs")).stdout.trim()).toMatch(/^\S+ \S+ function$/)
  })

  it.skipIf(path === undefined)("starts its command and its worker threads", async () => {
    const command = relative(project, join(unpacked, "dist/cli.js"))
    expect((await start(command, "--version")).stdout).toContain("0.1.0")
    const doctor = await start(command, "doctor", "--json")
    expect(JSON.parse(doctor.stdout)).toBeTypeOf("object")
  })
})

describe("JSR", () => {
  const deno = findRuntime("deno")
  it.skipIf(deno === undefined)(
    "takes the sources as they are, without slow types, and the merges with them",
    async () => {
      const dryRun = ["publish", "--dry-run", "--allow-dirty"]
      const { stdout, stderr } = await run(deno ?? "deno", dryRun, { cwd: root, env: { ...env, NO_COLOR: "1" } })
      const said = (stdout + stderr).replaceAll(root, "/")
      expect(said).not.toMatch(/slow-type|warning/i)
      expect(said).toContain("lib/text/merges.generated.ts")
      expect(said).not.toMatch(/\/(test|examples|scripts|node_modules)\//)
      expect(said).toContain("Dry run complete")
    }
  )
})

describe("the declarations", () => {
  it("type-check for a user, with the names of the entry points", async () => {
    const text = [
      'import { type Dataset, diffClip, type ImageText, Pipeline } from "diffclip"',
      'import { live } from "diffclip/node"',
      "export const name: string = diffClip.name",
      'export const options: Parameters<typeof live>[0] = { dir: "runs/first" }',
      "// @ts-expect-error -- a number is no dataset",
      "export const dataset: Dataset<ImageText, never, never> = 1",
      "export const train: object = Pipeline.train"
    ].join("\n")
    writeFileSync(join(project, "user.ts"), text)
    const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--preserveSymlinks"]
    const modules = ["--target", "es2024", "--module", "nodenext", "--types", "node"]
    const checked = await run(
      node,
      [join(root, "node_modules/typescript/bin/tsc"), ...options, ...modules, "user.ts"],
      {
        cwd: project
      }
    ).catch((cause: unknown) => cause)
    expect(checked).toMatchObject({ stdout: "" })
  })
})
