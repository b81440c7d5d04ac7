/**
 * Everything that can be said about the code without running it. Run: `npm run check`, or `npm run check -- imports
 * style` for some of the steps. A step that fails prints what it found; the last line counts the steps.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import process from "node:process"
import ts from "typescript"
import { entryFaults } from "./entries.ts"
import { importFaults } from "./imports.ts"
import { closingLine, type Outcome, runPart } from "./parts.ts"
import { docstringPrograms, exampleFolder, guidePrograms, readmePrograms } from "./readme.ts"
import { root } from "./root.ts"
import { findRuntime } from "./runtime.ts"
import { describeFaults, type Fault, readSources, type Source } from "./sources.ts"
import { styleFaults } from "./style.ts"

type Verdict = Pick<Outcome, "code" | "output"> | "skipped"
type Step = () => Promise<Verdict> | Verdict

const node = (...args: ReadonlyArray<string>): Promise<Outcome> =>
  runPart(process.execPath, args, { show: "collected" })

const deno = (...args: ReadonlyArray<string>): Promise<Outcome> | Verdict => {
  const path = findRuntime("deno")
  return path === undefined ? "skipped" : runPart(path, args, { show: "collected" })
}

const json = (path: string): unknown => {
  const { config, error } = ts.parseConfigFileTextToJson(path, readFileSync(root + path, "utf8"))
  if (error !== undefined) {
    throw new Error(`${path} is not JSON: ${ts.flattenDiagnosticMessageText(error.messageText, " ")}`)
  }
  return config
}

const verdictOn = (faults: ReadonlyArray<string>): Verdict => ({ code: faults.length, output: faults.join("\n") })

let parsed: ReadonlyArray<Source> | undefined
const sources = (faultsOf: (all: ReadonlyArray<Source>) => ReadonlyArray<Fault>): Verdict => {
  parsed ??= readSources()
  const faults = faultsOf(parsed)
  return { code: faults.length, output: describeFaults(faults) }
}

/** tsc sees the README's programs and the docstrings' examples as files of the project: none may be a draft. */
const types = (): Promise<Outcome> => {
  const folder = `${root}${exampleFolder}`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  readmePrograms().forEach((text, index) => writeFileSync(`${folder}/program-${index + 1}.ts`, text))
  guidePrograms().forEach((text, index) => writeFileSync(`${folder}/guide-${index + 1}.ts`, text))
  docstringPrograms(readSources()).forEach((text, index) => writeFileSync(`${folder}/example-${index + 1}.ts`, text))
  return node("node_modules/typescript/bin/tsc", "-p", "tsconfig.json", "--pretty", "false")
}

const steps: Readonly<Record<string, Step>> = {
  types,
  lint: () => deno("lint", "--quiet"),
  format: () => deno("fmt", "--check"),
  imports: () => sources(importFaults),
  style: () => sources((all) => all.flatMap(styleFaults)),
  entries: () =>
    verdictOn(entryFaults({
      package: json("package.json"),
      deno: json("deno.json"),
      tsconfig: json("tsconfig.json")
    })),
  merges: () => node("scripts/merges.ts"),
  wasm: () => node("scripts/wasm.ts", "--check")
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`no step ${unknown.join(", ")}; there are ${Object.keys(steps).join(", ")}`)
  process.exit(2)
}

const counts = { passed: 0, failed: 0, skipped: 0 }
const runStep = async (name: string, step: Step): Promise<void> => {
  const start = performance.now()
  const verdict = await step()
  const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`
  if (verdict === "skipped") {
    counts.skipped += 1
    console.log(`SKIPPED  ${name}: this machine has no deno, see scripts/runtime.ts`)
  } else if (verdict.code === 0) {
    counts.passed += 1
    console.log(`passed   ${name} (${seconds})`)
  } else {
    counts.failed += 1
    console.log(`FAILED   ${name} (${seconds})\n${verdict.output.trimEnd()}`)
  }
}

// tsc is the longest and keeps one core busy; the others take turns on the second.
const chosen = Object.entries(steps).filter(([name]) => asked.length === 0 || asked.includes(name))
const [long, short] = [chosen.filter(([name]) => name === "types"), chosen.filter(([name]) => name !== "types")]
await Promise.all([long, short].map(async (lane) => {
  for (const [name, step] of lane) await runStep(name, step)
}))
console.log(closingLine(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
