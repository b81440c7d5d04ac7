import type { Value } from "../lib/tensor/index.ts"

/** Any plain data with values at some leaves and numbers at others: an optimizer's state. */
type StateTree = unknown

/** A state taken apart for a file: its tensors by path, and its numbers by path. */
export interface FlatState {
  readonly values: ReadonlyMap<string, Value>
  readonly numbers: Readonly<Record<string, number>>
}

const isObject = (tree: StateTree): tree is object => typeof tree === "object" && tree !== null

const isValue = (tree: object): tree is Value => "tensor" in tree && "node" in tree

const join = (path: string, name: string): string => path === "" ? name : `${path}.${name}`

/** Takes an optimizer's state apart. Throws TypeError for a leaf that is neither a value, a number nor null. */
export const flattenState = (state: StateTree): FlatState => {
  const values = new Map<string, Value>()
  const numbers: Record<string, number> = {}
  const visit = (tree: StateTree, path: string): void => {
    if (tree === null) return
    if (typeof tree === "number") numbers[path] = tree
    else if (isObject(tree) && isValue(tree)) values.set(path, tree)
    else if (isObject(tree)) { for (const [name, child] of Object.entries(tree)) visit(child, join(path, name)) }
    else throw new TypeError(`optimizer state: expected a value, a number or null at ${path}, found ${typeof tree}`)
  }
  visit(state, "")
  return { values, numbers }
}

/**
 * Puts a state together again, in the structure of `template` (a fresh `init`). `valueAt` and `numberAt` say what was
 * stored at a path; they throw where nothing was.
 */
export const unflattenState = <S>(
  template: S,
  valueAt: (path: string, like: Value) => Value,
  numberAt: (path: string) => number
): S => {
  const rebuild = (tree: StateTree, path: string): StateTree => {
    if (tree === null) return null
    if (typeof tree === "number") return numberAt(path)
    if (!isObject(tree)) throw new TypeError(`optimizer state: unexpected ${typeof tree} at ${path}`)
    if (isValue(tree)) return valueAt(path, tree)
    const children = Object.entries(tree).map(([name, child]) => [name, rebuild(child, join(path, name))] as const)
    return Array.isArray(tree) ? children.map(([, child]) => child) : Object.fromEntries(children)
  }
  // The structure is the template's, leaf by leaf.
  return rebuild(template, "") as S
}

/** The same state with other tensors. */
export const mapState = <S>(state: S, change: (value: Value, path: string) => Value): S => {
  const { numbers } = flattenState(state)
  return unflattenState(state, (path, like) => change(like, path), (path) => numbers[path] ?? Number.NaN)
}

/** The same tensors with the numbers that `numbers` has. */
export const withNumbers = <S>(state: S, numbers: FlatState["numbers"]): S =>
  unflattenState(state, (_, like) => like, (path) => numbers[path] ?? Number.NaN)
