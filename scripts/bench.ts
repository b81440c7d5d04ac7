/**
 * `npm run bench [-- NAME … [FLAGS]]`: the programs of test/bench (`NAME.ts` or `NAME/index.ts`), one after the other, or
 * the named ones; what starts with `--` and all that follows goes to each of them. Each prints one JSON object a line
 * (DESIGN, section 5); nothing else goes to stdout, so that the output can be stored as it is.
 */
import { existsSync, readdirSync } from "node:fs"
import process from "node:process"
import { runPart } from "./parts.ts"
import { root } from "./root.ts"
import { sourceArguments } from "./runtime.ts"

const programs = new Map(
  readdirSync(`${root}test/bench`).sort().flatMap((name): ReadonlyArray<readonly [string, string]> => {
    if (name.endsWith(".ts")) return [[name.replace(/\.ts$/, ""), `test/bench/${name}`]]
    const index = `test/bench/${name}/index.ts`
    return existsSync(`${root}${index}`) ? [[name, index]] : []
  })
)
const args = process.argv.slice(2)
const end = args.findIndex((arg) => arg.startsWith("--"))
const [asked, flags] = end < 0 ? [args, []] : [args.slice(0, end), args.slice(end)]
const unknown = asked.filter((name) => !programs.has(name))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}; there are ${[...programs.keys()].join(", ")}`)
  process.exit(2)
}
for (const [name, program] of programs) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.error(`== ${name}`)
  const { code } = await runPart(process.execPath, [...sourceArguments.node, program, ...flags], { show: "live" })
  if (code !== 0) process.exitCode = 1
}
