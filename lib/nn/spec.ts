import * as tf from "@tensorflow/tfjs-core"
import type { Key, Params, Shape, Value } from "../tensor/index.ts"
import { fold, normal, sizeOf, uniform, value } from "../tensor/index.ts"

/** How a parameter starts: normal with a standard deviation, uniform on +-bound, or one number everywhere. */
export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "constant"; readonly value: number }

/** A parameter before it exists: its shape and how it starts. */
export interface Spec {
  readonly shape: Shape
  readonly init: Init
}

/** The tree of specs that belongs to a tree of parameters. */
export type SpecTree<P> = P extends Value ? Spec :
  P extends ReadonlyArray<infer Item> ? ReadonlyArray<SpecTree<Item>> :
  { readonly [K in keyof P]: SpecTree<P[K]> }

/** A parameter drawn from a normal distribution with mean 0. */
export const normalSpec = (shape: Shape, std: number): Spec => ({ shape, init: { kind: "normal", std } })

/** A parameter drawn uniformly from +-bound. */
export const uniformSpec = (shape: Shape, bound: number): Spec => ({ shape, init: { kind: "uniform", bound } })

/** A parameter that starts as one number everywhere. */
export const constantSpec = (shape: Shape, start: number): Spec => ({ shape, init: { kind: "constant", value: start } })

type AnySpecTree = Spec | ReadonlyArray<AnySpecTree> | { readonly [name: string]: AnySpecTree }

const isSpec = (tree: AnySpecTree): tree is Spec => "shape" in tree && "init" in tree

/** A spec with the path that its parameter will have. */
export interface NamedSpec {
  readonly path: string
  readonly spec: Spec
}

const visit = (tree: AnySpecTree, path: ReadonlyArray<string>, out: Array<NamedSpec>): void => {
  if (isSpec(tree)) out.push({ path: path.join("."), spec: tree })
  else for (const [name, child] of Object.entries<AnySpecTree>(tree)) visit(child, [...path, name], out)
}

/** All specs of a tree with their paths, in the tree's order; nothing is allocated. */
export const specsOf = <P extends Params>(tree: SpecTree<P>): ReadonlyArray<NamedSpec> => {
  const out: Array<NamedSpec> = []
  // SpecTree<P> is AnySpecTree for every P; the compiler cannot unfold it for an unknown P.
  visit(tree as AnySpecTree, [], out)
  return out
}

/** How many numbers the parameters of a tree will hold. */
export const countSpecs = <P extends Params>(tree: SpecTree<P>): number =>
  specsOf(tree).reduce((count, { spec }) => count + sizeOf(spec.shape), 0)

const draw = ({ shape, init }: Spec, key: Key): Float32Array => {
  const size = sizeOf(shape)
  if (init.kind === "normal") return normal(key, size, init.std)
  if (init.kind === "uniform") return uniform(key, size, -init.bound, init.bound)
  return new Float32Array(size).fill(init.value)
}

const build = (tree: AnySpecTree, path: ReadonlyArray<string>, make: (named: NamedSpec) => Value): Params => {
  if (isSpec(tree)) return make({ path: path.join("."), spec: tree })
  if (Array.isArray(tree)) return tree.map((child: AnySpecTree, i) => build(child, [...path, `${i}`], make))
  const entries = Object.entries<AnySpecTree>(tree).map(([name, child]) => [name, build(child, [...path, name], make)])
  return Object.fromEntries(entries)
}

/** A parameter tree whose leaves are `make(path, spec)`. */
export const mapSpecs = <P extends Params>(tree: SpecTree<P>, make: (named: NamedSpec) => Value): P =>
  // The structure of P is that of its specs, leaf by leaf.
  build(tree as AnySpecTree, [], make) as P

/** Parameters drawn from a key: each is a function of (key, its path), whatever else the model has. */
export const initialize = <P extends Params>(tree: SpecTree<P>, key: Key): P =>
  mapSpecs(tree, ({ path, spec }) => value(tf.keep(tf.tensor(draw(spec, fold(key, path)), [...spec.shape], "float32"))))
