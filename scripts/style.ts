/**
 * The part of STYLE's list of smells that a program can see. Run: `node scripts/style.ts`; part of `npm run check`.
 */
import ts from "typescript"
import { areaOf } from "./imports.ts"
import { describeFaults, type Fault, lineOf, readSources, type Source, walk } from "./sources.ts"

/** No file is longer; `examples/01-…` are programs of under 40 lines, the demo's parts have at most 150. */
export const maxLines = (path: string): number => {
  if (/^examples\/\d\d-[^/]*\.ts$/.test(path)) return 39
  return path.startsWith("examples/emoji/") ? 150 : 400
}

/** What code above lib/ops may do with tfjs: make tensors, free them, ask. Maths is the business of lib/ops. */
const housekeeping = new Set([
  ...["tensor", "tensor1d", "tensor2d", "tensor3d", "tensor4d", "scalar", "zeros", "ones", "fill", "clone"],
  ...["tidy", "keep", "dispose", "memory", "engine", "getBackend", "setBackend", "ready", "backend", "findBackend"],
  ...["util", "nextFrame"]
])
const aboveOps = new Set(["lib/nn", "lib/models", "lib/losses", "lib/checkpoint"])

/** tfjs's own tape and what hides a choice of kernel: used nowhere. */
const forbiddenTf = new Set([
  ...["grad", "grads", "valueAndGrad", "valueAndGrads", "variableGrads", "customGrad", "registerGradient"],
  ...["train", "einsum", "variable"]
])

/** Time, chance, environment and terminal enter the library as arguments or services. */
const ambient = new Map([
  ["Math.random", "pass a key (lib/tensor/random.ts)"],
  ["Date.now", "ask Effect's Clock"],
  ["performance.now", "ask Effect's Clock"],
  ["process.env", "only pipelines read the environment"]
])

/** The files that may cast, and what it is that the compiler cannot see there. A new one needs a line here. */
const casts: Readonly<Record<string, string>> = {
  "lib/backend/cpu/tfjs.ts": "tfjs's kernel registry is untyped",
  "lib/backend/webgpu/tfjs.ts": "tfjs's kernel registry is untyped",
  "lib/ops/kernel.ts": "tfjs's kernel registry is untyped",
  "lib/nn/spec.ts": "a tree is mapped leaf by leaf through a recursion",
  "lib/tensor/params.ts": "a tree is mapped leaf by leaf through a recursion",
  "lib/tensor/tape.ts": "a record is mapped entry by entry",
  "pipelines/stateTree.ts": "a tree is mapped leaf by leaf through a recursion",
  "pipelines/fits.ts": "a conditional type has checked the dataset, and the services",
  "pipelines/train.ts": "a conditional type has checked the dataset",
  "pipelines/trained.ts": "a phantom brand exists for the compiler alone"
}

const isConst = (type: ts.TypeNode): boolean => ts.isTypeReferenceNode(type) && type.getText() === "const"

/** `any` in a type argument or a constraint says "whatever it is"; elsewhere it switches the checker off. */
const isTypeParameterPosition = (node: ts.Node): boolean => {
  for (let at = node.parent; at !== undefined && ts.isTypeNode(at); at = at.parent) {
    if (ts.isTypeReferenceNode(at) || ts.isExpressionWithTypeArguments(at)) return true
  }
  return node.parent !== undefined && ts.isTypeParameterDeclaration(node.parent)
}

const tfNames = (source: Source): ReadonlyArray<readonly [string, ts.Node]> => {
  const found: Array<readonly [string, ts.Node]> = []
  const spaces = new Set<string>()
  walk(source.tree, (node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.importClause
      if (node.moduleSpecifier.text !== "@tensorflow/tfjs-core" || clause === undefined) return
      if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword || clause.namedBindings === undefined) return
      if (ts.isNamespaceImport(clause.namedBindings)) spaces.add(clause.namedBindings.name.text)
      else {
        for (const element of clause.namedBindings.elements) {
          if (!element.isTypeOnly) found.push([(element.propertyName ?? element.name).text, element])
        }
      }
    } else if (
      ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && spaces.has(node.expression.text)
    ) found.push([node.name.text, node])
  })
  return found
}

/** Every smell in one file. */
export const styleFaults = (source: Source): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  const { path, text, tree } = source
  const fault = (node: ts.Node, message: string): void => {
    faults.push({ path, line: lineOf(source, node), message })
  }
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0)
  if (lines > maxLines(path)) {
    faults.push({ path, line: lines, message: `${lines} lines, at most ${maxLines(path)}: split it` })
  }
  const area = areaOf(path)
  const isLibrary = path.startsWith("lib/")
  for (const [name, node] of tfNames(source)) {
    if (area !== "test" && forbiddenTf.has(name)) {
      fault(node, `tfjs's ${name}: the tape of lib/tensor and the operations of lib/ops replace it`)
    } else if (aboveOps.has(area) && !housekeeping.has(name) && /^[a-z]/.test(name)) {
      fault(node, `tf.${name}: tensor maths stands in lib/ops and lib/backend only`)
    }
  }
  if (area !== "test" && /@ts-(ignore|nocheck|expect-error)/.test(text)) {
    faults.push({ path, line: 1, message: "a comment that silences the type checker" })
  }
  walk(tree, (node) => {
    if (isLibrary && ts.isPropertyAccessExpression(node)) {
      const advice = ambient.get(node.getText(tree))
      if (advice !== undefined) fault(node, `${node.getText(tree)} under lib: ${advice}`)
      if (node.expression.getText(tree) === "console") fault(node, "console under lib: lib/track reports")
    }
    if (
      isLibrary && ts.isNewExpression(node) && node.expression.getText(tree) === "Date" &&
      (node.arguments?.length ?? 0) === 0
    ) fault(node, "new Date() under lib: ask Effect's Clock")
    if (area === "test" || path in casts) return
    if (ts.isAsExpression(node) && !isConst(node.type)) fault(node, "a cast: narrow the type instead")
    if (ts.isTypeAssertionExpression(node)) fault(node, "a cast: narrow the type instead")
    if (ts.isNonNullExpression(node)) fault(node, "an exclamation mark: handle the missing value")
    if (node.kind === ts.SyntaxKind.AnyKeyword && !isTypeParameterPosition(node)) fault(node, "any: write the type")
  })
  return faults
}

if (import.meta.main) {
  const sources = readSources()
  const faults = sources.flatMap(styleFaults)
  console.log(faults.length === 0 ? `no smells in ${sources.length} files` : describeFaults(faults))
  process.exitCode = faults.length === 0 ? 0 : 1
}
