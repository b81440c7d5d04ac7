import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Params } from "./params.ts"
import { leavesOf, mapParams, pickParams } from "./params.ts"
import { inPrecision, type Precision, precisionNow } from "./precision.ts"
import { ShapeError, showShape } from "./shape.ts"
import type { Node, Value } from "./value.ts"
import { leaf, nodesBehind, value } from "./value.ts"

/** The forward pass's result and the way back. Whoever holds it calls `pullback` or `release` exactly once. */
export interface Vjp<P extends Params, Outputs extends Readonly<Record<string, Value>>> {
  /** Named outputs, without nodes; owned by the caller. */
  readonly outputs: Outputs
  /**
   * Gradients of `sum(output * seed)` over the given seeds, one per trained parameter (`pickParams`), owned by the
   * caller. Frees residuals.
   */
  readonly pullback: (seeds: Readonly<Partial<Record<keyof Outputs & string, Tensor>>>) => P
  /** Frees the residuals without a backward pass. Outputs stay. */
  readonly release: () => void
}

/** Which parameters are differentiated, and what is remembered for it. */
export interface VjpOptions {
  /** By path; default all. The others are constants: no node, no residuals for them alone, no gradient. */
  readonly isTrained?: (path: string) => boolean
  /** What becomes of the intermediates of pieces that `checkpointed` marks; default keep. Changes no bit of a gradient. */
  readonly checkpoints?: "keep" | "recompute"
  /** The storage of operands of products; default that of the pass around this one, else float32. */
  readonly precision?: Precision
}

// A forward pass is synchronous, so who runs now is a fact of the process; a nested pass puts back what it found.
let isRecomputing = false

/** Whether the forward pass that runs now wants marked pieces to be recomputed. */
export const recomputes = (): boolean => isRecomputing

/** The id that the next tensor will have at least: what is older than a pass does not belong to it. */
const tensorMark = (): number => {
  const probe = tf.scalar(0)
  probe.dispose()
  return probe.id
}

const residualsOf = (nodes: ReadonlyArray<Node>, mark: number): Map<Tensor, number> => {
  const uses = new Map<Tensor, number>()
  for (const node of nodes) {
    for (const tensor of node.saved) if (tensor.id > mark) uses.set(tensor, (uses.get(tensor) ?? 0) + 1)
  }
  return uses
}

/**
 * Runs `forward` on differentiable copies of `params` in one tidy and keeps its outputs and what its backward needs.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core"
 * import { mul } from "../ops/index.ts"
 * import { vjp } from "./tape.ts"
 * import { value } from "./value.ts"
 *
 * const { outputs, pullback } = vjp({ w: value(tf.scalar(3)) }, ({ w }) => ({ square: mul(w, w) }))
 * outputs.square.tensor.print() // 9
 * pullback({ square: tf.scalar(1) }).w.tensor.print() // 6
 * ```
 */
export const vjp = <P extends Params, Outputs extends Readonly<Record<string, Value>>>(
  params: P,
  forward: (params: P) => Outputs,
  { isTrained = () => true, checkpoints = "keep", precision = precisionNow() }: VjpOptions = {}
): Vjp<P, Outputs> => {
  const mark = tensorMark()
  const leaves = new Map<string, Node>()
  const lifted = mapParams(params, (parameter, path) => {
    if (!isTrained(path)) return value(parameter.tensor)
    const lift = leaf(parameter.tensor)
    leaves.set(path, lift.node)
    return lift
  })
  let traced: ReadonlyArray<[string, Value]> = []
  let nodes: ReadonlyArray<Node> = []
  let outputs: Outputs | undefined
  const before = isRecomputing
  isRecomputing = checkpoints === "recompute"
  try {
    tf.tidy(() => {
      outputs = inPrecision(precision, () => forward(lifted))
      traced = Object.entries(outputs)
      nodes = nodesBehind(traced.map(([, output]) => output))
      const kept = [...traced.map(([, output]) => output.tensor), ...nodes.flatMap((node) => node.saved)]
      for (const tensor of kept) if (tensor.id > mark) tf.keep(tensor)
    })
  } finally {
    isRecomputing = before
  }
  if (outputs === undefined) throw new Error("vjp: the forward function did not return")

  const uses = residualsOf(nodes, mark)
  const held = new Set(traced.map(([, output]) => output.tensor))
  const free = (node: Node): void => {
    for (const tensor of node.saved) {
      const left = (uses.get(tensor) ?? 0) - 1
      if (left > 0) uses.set(tensor, left)
      else if (uses.delete(tensor) && !held.has(tensor)) tensor.dispose()
    }
  }

  const release = (): void => {
    for (const tensor of uses.keys()) if (!held.has(tensor)) tensor.dispose()
    uses.clear()
  }

  const pullback = (seeds: Readonly<Partial<Record<string, Tensor>>>): P => {
    const grads = new Map<Node, Tensor>()
    try {
      for (const [name, output] of traced) {
        const seed = seeds[name]
        if (seed === undefined || output.node === undefined) continue
        if (seed.size !== output.tensor.size) {
          throw new ShapeError(
            "pullback",
            `a seed for ${name} of ${showShape(output.tensor.shape)}`,
            showShape(seed.shape)
          )
        }
        accumulate(grads, output.node, tf.keep(tf.clone(seed)))
      }
      for (const node of nodes) {
        const dy = grads.get(node)
        if (dy !== undefined && node.pull !== undefined) {
          pull(node, node.pull, dy, grads)
          grads.delete(node)
          dy.dispose()
        }
        free(node)
      }
      return mapParams(pickParams(params, (path) => leaves.has(path)), (parameter, path) => {
        const node = leaves.get(path)
        const grad = node === undefined ? undefined : grads.get(node)
        if (node !== undefined) grads.delete(node)
        return value(grad ?? tf.keep(tf.zerosLike(parameter.tensor)))
      })
    } finally {
      for (const grad of grads.values()) grad.dispose()
      release()
    }
  }

  const plain = Object.fromEntries(traced.map(([name, output]) => [name, value(output.tensor)]))
  // The entries are those of `outputs`, one by one; only their nodes are dropped.
  return { outputs: plain as Outputs, pullback, release }
}

/** One backward step: the node's gradients, added to those that its inputs have so far. */
const pull = (node: Node, backward: NonNullable<Node["pull"]>, dy: Tensor, grads: Map<Node, Tensor>): void => {
  const needs = node.inputs.map((input) => input.node !== undefined)
  const found: Array<Tensor | undefined> = []
  tf.tidy(() => {
    const seen = new Set<Tensor>([dy])
    backward(dy, needs).forEach((grad, i) => {
      // A gradient may be passed through unchanged; each receiver then gets a handle of its own (no copy of the data).
      const own = grad !== undefined && (seen.has(grad) || node.saved.includes(grad)) ? tf.clone(grad) : grad
      if (own !== undefined) seen.add(tf.keep(own))
      found[i] = own
    })
  })
  const misfit = node.inputs.findIndex((input, i) => found[i] !== undefined && found[i].size !== input.tensor.size)
  if (misfit >= 0) {
    for (const grad of found) grad?.dispose()
    throw new ShapeError(
      `${node.operation} backward`,
      `a gradient of ${showShape(node.inputs[misfit]?.tensor.shape ?? [])} for input ${misfit}`,
      showShape(found[misfit]?.shape ?? [])
    )
  }
  node.inputs.forEach((input, i) => {
    const grad = found[i]
    if (grad === undefined) return
    if (input.node === undefined) grad.dispose()
    else accumulate(grads, input.node, grad)
  })
}

const accumulate = (grads: Map<Node, Tensor>, node: Node, grad: Tensor): void => {
  const before = grads.get(node)
  if (before === undefined) {
    grads.set(node, grad)
    return
  }
  // The one sum outside lib/ops: the tape stands below the operations, which record themselves on it.
  grads.set(node, tf.keep(tf.add(before, grad)))
  before.dispose()
  grad.dispose()
}

/** The gradients of a scalar: `vjp` with seed 1. `loss` and every leaf of `grads` belong to the caller. */
export const valueAndGrad = <P extends Params>(
  params: P,
  loss: (params: P) => Value,
  options: VjpOptions = {}
): { readonly loss: Tensor; readonly grads: P } => {
  const { outputs, pullback } = vjp(params, (lifted) => ({ loss: loss(lifted) }), options)
  const seed = tf.onesLike(outputs.loss.tensor)
  try {
    return { loss: outputs.loss.tensor, grads: pullback({ loss: seed }) }
  } catch (error) {
    outputs.loss.tensor.dispose()
    throw error
  } finally {
    seed.dispose()
  }
}

/** Whether every number of a tree is finite; reads the tensors back. */
export const isFiniteTree = (tree: Params): boolean =>
  leavesOf(tree).every((leaf) => leaf.value.tensor.dataSync().every(Number.isFinite))
