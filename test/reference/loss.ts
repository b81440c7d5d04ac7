import { at } from "./array.ts"
import { add, exp, mul, scale } from "./elementwise.ts"
import { matmul } from "./matmul.ts"
import { l2Normalise } from "./norms.ts"
import { reshape, slice } from "./shapes.ts"
import { crossEntropy } from "./softmax.ts"
import { detach, type Node } from "./tape.ts"

/** Operands of the loss: embeddings [B, E], not normalised; `logitScale` is the logarithm, one element. */
export interface ContrastiveInput {
  readonly imageEmbed: Node
  readonly textEmbed: Node
  readonly logitScale: Node
}

/** `loss` [], the loss of each group, the logits [B, B] of all images against all texts, accuracy in percent. */
export interface ContrastiveOutput {
  readonly loss: Node
  readonly groupLosses: ReadonlyArray<Node>
  readonly logitsPerImage: Node
  readonly accuracy: number
}

/** How the batch lies on ranks. */
export interface WorldOptions {
  readonly worldSize: number
}

/** 100 times the share of rows of logits [n, n] whose first largest entry is on the diagonal. */
export const accuracyOf = (logits: Node): number => {
  const [n = 0, m = 0] = logits.value.shape
  let hits = 0
  for (let i = 0; i < n; i++) {
    const row = logits.value.data.subarray(i * m, (i + 1) * m)
    if (row.indexOf(Math.max(...row)) === i) hits += 1
  }
  return (100 * hits) / n
}

const mean = (values: ReadonlyArray<Node>): Node =>
  scale(values.slice(1).reduce((sum, value) => add(sum, value), at(values, 0)), 1 / values.length)

/** The loss over `numGroups` groups of rows, where `column` says what becomes of the operand that gives the columns. */
const overGroups = (numGroups: number, column: (x: Node) => Node) => (input: ContrastiveInput): ContrastiveOutput => {
  const image = l2Normalise(input.imageEmbed) // [B, E]
  const text = l2Normalise(input.textEmbed)
  const factor = reshape(exp(input.logitScale), [])
  const B = at(image.value.shape, 0)
  const size = B / numGroups
  if (!Number.isInteger(size)) throw new RangeError(`a batch of ${B} does not divide into ${numGroups} ranks`)
  const logits = (rows: Node, columns: Node): Node => mul(factor, matmul(rows, columns, { transposeB: true }))
  const groupLosses = Array.from({ length: numGroups }, (_, rank) => {
    const start = rank * size
    const own = (x: Node): Node => slice(x, 0, start, start + size) // [b, E]
    const targets = Array.from({ length: size }, (_, i) => start + i)
    const forImage = crossEntropy(logits(own(image), column(text)), targets) // [b, B] -> []
    const forText = crossEntropy(logits(own(text), column(image)), targets)
    return scale(add(forImage, forText), 0.5)
  })
  const logitsPerImage = logits(image, text)
  return { loss: mean(groupLosses), groupLosses, logitsPerImage, accuracy: accuracyOf(logitsPerImage) }
}

/** The symmetric cross entropy of the whole batch with its full gradient. Source: GOLDENS section 4. */
const exact: (input: ContrastiveInput) => ContrastiveOutput = overGroups(1, (x) => x)

/**
 * The same value with the published gradient: rows in `worldSize` contiguous groups, every column operand constant when
 * there is more than one, mean over the groups. Source: REFERENCE 4.1, GOLDENS section 12.
 */
const asPublished = ({ worldSize }: WorldOptions): (input: ContrastiveInput) => ContrastiveOutput =>
  overGroups(worldSize, worldSize > 1 ? detach : (x) => x)

/** The contrastive loss in its two gradients. */
export const contrastive: {
  readonly exact: (input: ContrastiveInput) => ContrastiveOutput
  readonly asPublished: (options: WorldOptions) => (input: ContrastiveInput) => ContrastiveOutput
} = { exact, asPublished }
