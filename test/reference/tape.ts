import { at, type F64, f64, sameShape, zeros } from "./array.ts"

/**
 * A value with the way back to what it was computed from. `pull` maps the cotangent of `value` to one cotangent for
 * each input. A node that no variable reaches has no inputs.
 */
export interface Node {
  readonly value: F64
  readonly needsGradient: boolean
  readonly inputs: ReadonlyArray<Node>
  readonly pull: (cotangent: F64) => ReadonlyArray<F64>
}

/** What `backward` found: the gradient for a node, zeros if the output does not depend on it. */
export interface Gradients {
  readonly of: (node: Node) => F64
}

const noPull = (): ReadonlyArray<F64> => []

/** A leaf that gradients are wanted for. */
export const variable = (value: F64): Node => ({ value, needsGradient: true, inputs: [], pull: noPull })

/** A leaf without gradient. */
export const constant = (value: F64): Node => ({ value, needsGradient: false, inputs: [], pull: noPull })

/** The value of a node as a constant: nothing flows back through it. */
export const detach = (node: Node): Node => constant(node.value)

/** The result of an operation on `inputs`; `pull` is only ever called when some input needs a gradient. */
export const record = (
  value: F64,
  inputs: ReadonlyArray<Node>,
  pull: (cotangent: F64) => ReadonlyArray<F64>
): Node => inputs.some((input) => input.needsGradient) ? { value, needsGradient: true, inputs, pull } : constant(value)

/** Nodes that need a gradient, each after its inputs (depth first, without recursion). */
const inOrder = (output: Node): Array<Node> => {
  const order: Array<Node> = []
  const seen = new Set<Node>()
  const stack: Array<{ readonly node: Node; next: number }> = []
  const enter = (node: Node): void => {
    if (!node.needsGradient || seen.has(node)) return
    seen.add(node)
    stack.push({ node, next: 0 })
  }
  enter(output)
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.node.inputs[top.next]
    top.next += 1
    if (input !== undefined) {
      enter(input)
    } else {
      order.push(top.node)
      stack.pop()
    }
  }
  return order
}

/**
 * Reverse pass from `output`. `seed` is the cotangent of the output and has its shape; it may be left out for a single
 * element, where it is 1. Gives d sum(seed * output) / d node for each node.
 */
export const backward = (output: Node, seed?: F64): Gradients => {
  if (seed === undefined && output.value.data.length !== 1) {
    throw new RangeError(`backward from shape [${output.value.shape}] needs a seed of that shape`)
  }
  const start = seed ?? f64(output.value.shape, [1])
  if (!sameShape(start.shape, output.value.shape)) {
    throw new RangeError(`seed has shape [${start.shape}], the output [${output.value.shape}]`)
  }
  const found = new Map<Node, F64>([[output, f64(start.shape, start.data)]])
  for (const node of inOrder(output).reverse()) {
    const cotangent = found.get(node)
    if (cotangent === undefined || node.inputs.length === 0) continue
    const pulled = node.pull(cotangent)
    node.inputs.forEach((input, index) => {
      const part = pulled[index]
      if (part === undefined) throw new RangeError(`an operation gave ${pulled.length} cotangents`)
      if (!sameShape(part.shape, input.value.shape)) {
        throw new RangeError(`cotangent has shape [${part.shape}], the input [${input.value.shape}]`)
      }
      if (!input.needsGradient) return
      const sum = found.get(input)
      found.set(
        input,
        sum === undefined ? part : { shape: sum.shape, data: sum.data.map((x, i) => x + at(part.data, i)) }
      )
    })
  }
  return { of: (node) => found.get(node) ?? zeros(node.value.shape) }
}
