/**
 * `npm run bench [-- NAME …]`: the programs of test/bench, one after the other, or the named ones. Each prints one JSON
 * object a line (DESIGN, section 5); nothing else goes to stdout, so that the output can be stored as it is.
 */
import { readdirSync } from "node:fs"
import process from "node:process"
import { runPart } from "./parts.ts"
import { root } from "./root.ts"
import { sourceArguments } from "./runtime.ts"

const names = readdirSync(`${root}test/bench`)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replace(/\.ts$/, ""))
  .sort()
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !names.includes(name))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}; there are ${names.join(", ")}`)
  process.exit(2)
}
for (const name of names.filter((name) => asked.length === 0 || asked.includes(name))) {
  console.error(`== ${name}`)
  const { code } = await runPart(process.execPath, [...sourceArguments.node, `test/bench/${name}.ts`], { show: "live" })
  if (code !== 0) process.exitCode = 1
}
