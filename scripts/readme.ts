import { readFileSync } from "node:fs"
import { root } from "./root.ts"

/** The TypeScript programs of README.md, from first to last; the checks compile them and a test runs the first. */
export const readmePrograms = (): ReadonlyArray<string> =>
  [...readFileSync(`${root}README.md`, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body)
