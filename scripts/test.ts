/**
 * `npm test`: the checks, the suite on Node, then goldens, a tiny training run, the command line and the package on Node,
 * Bun and Deno, and whether the WebGPU engine is safe on an adapter. `npm run test:webgpu` (`scripts/test.ts webgpu`): all
 * its kernels, and the engines in Deno and in a page. All parts run whatever becomes of the others; the last line adds
 * them up.
 */
import process from "node:process"
import { addCounts, closingLine, countsOf, failuresIn, runPart } from "./parts.ts"

type Part = readonly [name: string, args: ReadonlyArray<string>]

const vitest = "node_modules/vitest/vitest.mjs"
const everywhere: ReadonlyArray<Part> = [
  ["check", ["scripts/check.ts"]],
  ["suite", [vitest, "run"]],
  ["runtimes and package", [vitest, "run", "--config", "vitest.runtimes.config.ts"]],
  ["webgpu", ["scripts/webgpuTests.ts", "test/webgpu/record.test.ts", "test/webgpu/safety.test.ts"]]
]
const onAdapters: ReadonlyArray<Part> = [
  ["kernels", ["scripts/webgpuTests.ts"]],
  ["adapters and pages", [vitest, "run", "--config", "vitest.adapters.config.ts"]]
]
const parts = process.argv[2] === "webgpu" ? onAdapters : everywhere

const results = []
for (const [name, args] of parts) {
  console.log(`\n== ${name}`)
  const outcome = await runPart(process.execPath, args, { show: "live" })
  results.push({ name, seconds: outcome.seconds, counts: countsOf(outcome), failures: failuresIn(outcome.output) })
}
console.log("")
for (const { name, seconds, counts } of results) {
  console.log(`${name}: ${closingLine(counts).replaceAll(",", " and")} in ${seconds.toFixed(0)} s`)
}
for (const failure of results.flatMap(({ failures }) => failures)) console.log(failure)
const total = addCounts(results.map(({ counts }) => counts))
console.log(closingLine(total))
process.exitCode = total.failed === 0 ? 0 : 1
