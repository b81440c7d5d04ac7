import { readFileSync } from "node:fs"
import { posix } from "node:path"
import { root } from "./root.ts"
import type { Source } from "./sources.ts"

/** The TypeScript programs of README.md, from first to last; the checks compile them and a test runs the first. */
export const readmePrograms = (): ReadonlyArray<string> =>
  [...readFileSync(`${root}README.md`, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body)

/** Where the checks compile examples, relative to the root. */
export const exampleFolder = ".cache/readme"

/** The examples in docstrings, with relative imports made to work from `exampleFolder`. */
export const docstringPrograms = (sources: ReadonlyArray<Pick<Source, "path" | "text">>): ReadonlyArray<string> =>
  sources.filter(({ path }) => /^(lib|pipelines)\//.test(path)).flatMap(({ path, text }) =>
    [...text.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)].map(([, body = ""]) =>
      body
        .replaceAll(/^ *\* ?/gm, "")
        .replaceAll(/from "(\.{1,2}\/[^"]+)"/g, (_, target: string) => {
          const file = posix.join(posix.dirname(path), target)
          return `from "${posix.relative(exampleFolder, file)}"`
        })
    )
  )
