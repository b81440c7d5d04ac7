/** The TypeScript files of this repository, parsed; what the checks of imports and of style look at. */
import { readdirSync, readFileSync } from "node:fs"
import ts from "typescript"
import { root } from "./root.ts"

/** A file and its syntax tree. `path` is relative to the root, with forward slashes. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly tree: ts.SourceFile
}

/** One fault, as an editor would jump to it. */
export interface Fault {
  readonly path: string
  readonly line: number
  readonly message: string
}

const folders = ["lib", "pipelines", "examples", "scripts", "test"]

/** Written by programs, or another language (AssemblyScript) in TypeScript's clothes. */
const isForeign = (path: string): boolean =>
  path.endsWith(".generated.ts") || path.startsWith("lib/backend/cpu/wasm/assembly/") ||
  path.startsWith("test/goldens/") || path.includes("/node_modules/") || path.includes("/.data/")

/** A source out of its text; tests make faulty ones with it. */
export const parseSource = (path: string, text: string): Source => ({
  path,
  text,
  tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
})

/** All our own sources, in the order of their paths. */
export const readSources = (): ReadonlyArray<Source> =>
  folders
    .flatMap((folder) =>
      readdirSync(root + folder, { recursive: true, encoding: "utf8" })
        .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
        .filter((path) => path.endsWith(".ts") && !isForeign(path))
        .sort()
    )
    .map((path) => parseSource(path, readFileSync(root + path, "utf8")))

/** The 1-based line of a node. */
export const lineOf = (source: Source, node: ts.Node): number =>
  source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line + 1

/** Calls `visit` on every node below and including `node`. */
export const walk = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** `path:line message`, one a line. */
export const describeFaults = (faults: ReadonlyArray<Fault>): string =>
  faults.map(({ path, line, message }) => `${path}:${line} ${message}`).join("\n")
