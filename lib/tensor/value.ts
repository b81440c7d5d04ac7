import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"

/**
 * One recorded operation. `saved` are the tensors that `pull` needs; `pull` maps the gradient of the output to one
 * gradient per input (undefined where an input has none). Nodes link backwards only, so a graph is its outputs.
 */
export interface Node {
  readonly id: number
  readonly operation: string
  readonly inputs: ReadonlyArray<Value>
  readonly saved: ReadonlyArray<Tensor>
  readonly pull: Pull | undefined
}

/** `needs[i]` says whether input i wants a gradient: a pull may skip the others. */
export type Pull = (dy: Tensor, needs: ReadonlyArray<boolean>) => ReadonlyArray<Tensor | undefined>

/** A tensor and, where a gradient is wanted, the node that made it. Parameters and constants have no node. */
export interface Value {
  readonly tensor: Tensor
  readonly node: Node | undefined
}

let nextNodeId = 0

/** A value without a node: a parameter at rest, a constant, an input that needs no gradient. */
export const value = (tensor: Tensor): Value => ({ tensor, node: undefined })

/** The same numbers, cut off from what made them: nothing flows back through it. */
export const detach = (x: Value): Value => value(x.tensor)

/** A leaf that collects a gradient. */
export const leaf = (tensor: Tensor): Value & { readonly node: Node } => ({
  tensor,
  node: { id: nextNodeId++, operation: "leaf", inputs: [], saved: [], pull: undefined }
})

/** The output of an operation; a node is made only when an input has one, so inference records nothing. */
export const record = (
  operation: string,
  inputs: ReadonlyArray<Value>,
  tensor: Tensor,
  saved: ReadonlyArray<Tensor>,
  pull: Pull
): Value =>
  inputs.some((input) => input.node !== undefined) ?
    { tensor, node: { id: nextNodeId++, operation, inputs, saved, pull } } :
    value(tensor)

/** Nodes that `outputs` depend on, latest first; `since` leaves out those made before. */
export const nodesBehind = (outputs: ReadonlyArray<Value>, since = 0): ReadonlyArray<Node> => {
  const seen = new Set<Node>()
  const stack = outputs.map((output) => output.node)
  while (stack.length > 0) {
    const node = stack.pop()
    if (node === undefined || node.id < since || seen.has(node)) continue
    seen.add(node)
    for (const input of node.inputs) stack.push(input.node)
  }
  return [...seen].sort((a, b) => b.id - a.id)
}

/**
 * Runs a piece of a forward pass and frees at once what neither its result nor the backward pass needs. Wrap each block
 * of a model in it: the peak of a forward pass is then one block's temporaries, not all of them.
 */
export const scoped = (forward: () => Value): Value => {
  const since = nextNodeId
  let output: Value | undefined
  tf.tidy(() => {
    output = forward()
    return [output.tensor, ...nodesBehind([output], since).flatMap((node) => node.saved)]
  })
  if (output === undefined) throw new Error("scoped: the forward function did not return")
  return output
}
