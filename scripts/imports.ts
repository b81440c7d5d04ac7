/**
 * Who may import whom (DESIGN, section 2). The lines of the picture are levels; a folder imports what stands on a lower
 * line, never a sibling. Run: `node scripts/imports.ts`; part of `npm run check`.
 */
import { posix } from "node:path"
import ts from "typescript"
import { entries, specifierOf } from "./entries.ts"
import { describeFaults, type Fault, lineOf, readSources, type Source, walk } from "./sources.ts"

/** The picture, from the bottom line to the top line. */
export const levels: ReadonlyArray<ReadonlyArray<string>> = [
  ["lib/tensor"],
  ["lib/ops"],
  ["lib/nn"],
  ["lib/models", "lib/optim", "lib/losses"],
  ["lib/text", "lib/image"],
  ["lib/eval", "lib/checkpoint", "lib/data", "lib/track"],
  ["pipelines"],
  ["examples"]
]

/** `lib/tensor` to `lib/optim`: arithmetic, without Effect, files, clock or runtime. */
const pure = new Set(levels.slice(0, 4).flat())
const effectful = ["lib/api", "lib/image", ...levels.slice(5).flat(), "lib/backend"]

/** Which folders may import a package; a name that is absent may be imported by nobody under lib and pipelines. */
const packages: Readonly<Record<string, ReadonlyArray<string>>> = {
  "effect": effectful,
  "@effect/platform-node": ["pipelines", "examples"],
  "@tensorflow/tfjs-core": ["lib/api", ...pure, "lib/checkpoint", "lib/backend", "pipelines", "examples"],
  "@tensorflow/tfjs-backend-webgpu": ["lib/backend"],
  "hyparquet": ["lib/data"],
  "sharp": ["lib/image", "examples"]
}
const knowsRuntimes = new Set(["lib/backend", "pipelines", "examples"])

/** `lib/nn/block.ts` -> `lib/nn`; `pipelines/cli/main.ts` -> `pipelines`. */
export const areaOf = (path: string): string => {
  const [first = "", second = ""] = path.split("/")
  return first === "lib" ? `${first}/${second}` : first
}

const levelOf = (area: string): number => levels.findIndex((line) => line.includes(area))

/** Why `from` may not import the folder `to`; undefined when it may. */
const refusal = (from: string, to: string, isTypeOnly: boolean): string | undefined => {
  if (from === to || from === "test" || from === "scripts") return undefined
  if (to === "test" || to === "scripts") return "only tests and scripts import tests and scripts"
  if (to === "lib/api") return undefined
  if (from === "lib/api") {
    return to === "lib/tensor" && isTypeOnly ?
      undefined :
      "lib/api holds interfaces: it imports types of lib/tensor only"
  }
  if (from === "lib/backend") {
    return ["lib/ops", "lib/tensor"].includes(to) ?
      undefined :
      "lib/backend imports lib/ops, lib/tensor and lib/api only"
  }
  if (to === "lib/backend") {
    return levelOf(from) >= levelOf("pipelines") ? undefined : "nothing below pipelines imports lib/backend"
  }
  const [own, other] = [levelOf(from), levelOf(to)]
  if (own < 0 || other < 0) return `${own < 0 ? from : to} stands on no line of the picture in DESIGN, section 2`
  if (own === other) return "siblings meet in pipelines only"
  return other < own ? undefined : "imports point down only"
}

const packageOf = (specifier: string): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

const refusePackage = (from: string, specifier: string): string | undefined => {
  if (from === "test" || from === "scripts") return undefined
  if (specifier.startsWith("node:")) {
    return knowsRuntimes.has(from) ? undefined : "only lib/backend, pipelines and examples know a runtime"
  }
  const entry = entries.find((candidate) => specifierOf(candidate) === specifier)
  if (entry !== undefined) {
    return from === "examples" ? undefined : `inside the library, import ${entry.source} by its path`
  }
  const allowed = packages[packageOf(specifier)]
  if (allowed === undefined) return "this package is not among the dependencies that scripts/imports.ts knows"
  return allowed.includes(from) ? undefined : `${from} may not know this package`
}

interface Import {
  readonly specifier: string
  readonly node: ts.Node
  readonly isTypeOnly: boolean
}

const typeOnlyClause = (clause: ts.ImportClause | undefined): boolean => {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const bindings = clause.namedBindings
  return clause.name === undefined && bindings !== undefined && ts.isNamedImports(bindings) &&
    bindings.elements.every((element) => element.isTypeOnly)
}

const importsOf = ({ tree }: Source): ReadonlyArray<Import> => {
  const found: Array<Import> = []
  walk(tree, (node) => {
    const add = (target: ts.Node | undefined, isTypeOnly: boolean): void => {
      if (target !== undefined && ts.isStringLiteralLike(target)) {
        found.push({ specifier: target.text, node, isTypeOnly })
      }
    }
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, typeOnlyClause(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false)
    }
  })
  return found
}

/** `declare const brand: unique symbol` names something that exists for the compiler alone. */
const isAmbient = (statement: ts.Statement): boolean =>
  ts.isVariableStatement(statement) &&
  statement.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.DeclareKeyword) === true

/** Statements of lib/api that leave something at run time. */
const valuesOf = (source: Source): ReadonlyArray<Fault> =>
  source.tree.statements
    .filter((statement) =>
      !(ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) ||
        ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) || isAmbient(statement))
    )
    .map((statement) => ({
      path: source.path,
      line: lineOf(source, statement),
      message: "lib/api holds types only; move the value to the folder that owns it"
    }))

/** Every import that the picture does not allow. */
export const importFaults = (sources: ReadonlyArray<Source>): ReadonlyArray<Fault> =>
  sources.flatMap((source) => {
    const from = areaOf(source.path)
    const faults = importsOf(source).flatMap(({ specifier, node, isTypeOnly }) => {
      const isRelative = specifier.startsWith(".")
      const target = posix.normalize(posix.join(posix.dirname(source.path), specifier))
      const reason = isRelative ? refusal(from, areaOf(target), isTypeOnly) : refusePackage(from, specifier)
      return reason === undefined ? [] : [{
        path: source.path,
        line: lineOf(source, node),
        message: `imports ${isRelative ? target : specifier}: ${reason}`
      }]
    })
    return from === "lib/api" ? [...faults, ...valuesOf(source)] : faults
  })

if (import.meta.main) {
  const sources = readSources()
  const faults = importFaults(sources)
  console.log(faults.length === 0 ? `import directions hold in ${sources.length} files` : describeFaults(faults))
  process.exitCode = faults.length === 0 ? 0 : 1
}
