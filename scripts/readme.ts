import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { root } from "./root.ts"
import type { Source } from "./sources.ts"

const programsOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(root + file, "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body)

/** The TypeScript programs of README.md, from first to last; the checks compile them and a test runs the first. */
export const readmePrograms = (): ReadonlyArray<string> => programsOf("README.md")

/** The programs of the guides; what the compiler must refuse stands in blocks of another name and has its own test. */
export const guidePrograms = (): ReadonlyArray<string> =>
  readdirSync(`${root}docs`).filter((name) => name.endsWith(".md")).sort().flatMap((name) => programsOf(`docs/${name}`))

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
