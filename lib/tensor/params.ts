import type { Value } from "./value.ts"

/**
 * A tree of parameters: values at the leaves, records and arrays above them. The bound is wide because interfaces have no
 * index signature; a model's own parameter type says exactly what is in it.
 */
export type Params = object

/** A leaf with its path, names and indices joined by dots: `visual.blocks.0.attn.lambda.q1`. */
export interface NamedLeaf {
  readonly path: string
  readonly value: Value
}

const isLeaf = (tree: Params): tree is Value => "tensor" in tree && "node" in tree

const childrenOf = (tree: Params): ReadonlyArray<[string, Params]> => Object.entries(tree)

const join = (path: string, name: string): string => path === "" ? name : `${path}.${name}`

const visit = (tree: Params, path: string, out: Array<NamedLeaf>): void => {
  if (isLeaf(tree)) out.push({ path, value: tree })
  else for (const [name, child] of childrenOf(tree)) visit(child, join(path, name), out)
}

/** All leaves in the order of the tree's own keys; the order is part of a checkpoint's identity. */
export const leavesOf = (tree: Params): ReadonlyArray<NamedLeaf> => {
  const out: Array<NamedLeaf> = []
  visit(tree, "", out)
  return out
}

const rebuild = (tree: Params, path: string, make: (value: Value, path: string) => Params): Params => {
  if (isLeaf(tree)) return make(tree, path)
  const children = childrenOf(tree).map((
    [name, child]
  ): [string, Params] => [name, rebuild(child, join(path, name), make)])
  return Array.isArray(tree) ? children.map(([, child]) => child) : Object.fromEntries(children)
}

/** A tree of the same structure whose leaves are `make(leaf, path)`. */
export const mapParams = <P extends Params>(tree: P, make: (value: Value, path: string) => Value): P =>
  // The structure is kept leaf by leaf, which the compiler cannot see through the recursion.
  rebuild(tree, "", make) as P

/**
 * The leaves whose path `isPicked`, in the same structure; where the others were is an empty branch, so that paths,
 * `leavesOf` and `mapParams` are as before and nothing stands for them. The type cannot say so: only walk such a tree.
 */
export const pickParams = <P extends Params>(tree: P, isPicked: (path: string) => boolean): P =>
  rebuild(tree, "", (value, path) => isPicked(path) ? value : {}) as P

/** A tree of the first one's structure whose leaves are `make(a, b, path)`. Throws when a path is missing in `b`. */
export const zipParams = <P extends Params>(
  a: P,
  b: Params,
  make: (a: Value, b: Value, path: string) => Value
): P => {
  const other = new Map(leavesOf(b).map((leaf) => [leaf.path, leaf.value]))
  return mapParams(a, (value, path) => {
    const partner = other.get(path)
    if (partner === undefined) throw new Error(`zipParams: the second tree has no leaf at ${path}`)
    return make(value, partner, path)
  })
}

/** How many numbers a tree holds. */
export const countParams = (tree: Params): number =>
  leavesOf(tree).reduce((count, leaf) => count + leaf.value.tensor.size, 0)

/** Frees every tensor of a tree. */
export const disposeParams = (tree: Params): void => {
  for (const leaf of leavesOf(tree)) leaf.value.tensor.dispose()
}
