import { type AdamWOptions, type Arrays, clampLogitScale, initAdamW, updateAdamW } from "./adamw.ts"
import { at, type F64, mapArray, zeros } from "./array.ts"
import { contrastive } from "./loss.ts"
import { model, type ModelConfig, type ModelKind, type Tokens } from "./model.ts"
import { backward, type Node, variable } from "./tape.ts"

/** One micro-batch: images [B, 3, S, S] and token ids [B, L]. */
export interface MicroBatch {
  readonly images: F64
  readonly tokens: Tokens
}

/** What to train and how. `clamp` bounds the parameter `logit_scale` after each update. */
export interface TrainingOptions {
  readonly kind: ModelKind
  readonly config: ModelConfig
  readonly optimizer: AdamWOptions
  readonly clamp: readonly [number, number]
}

/** One update: its rate and its micro-batches, each with negatives of its own. */
export interface TrainingStep {
  readonly lr: number
  readonly microBatches: ReadonlyArray<MicroBatch>
}

/** What happened in one update. Losses are per micro-batch, before the update, not divided by their number. */
export interface StepRecord {
  readonly losses: ReadonlyArray<number>
  readonly accuracies: ReadonlyArray<number>
  readonly gradNorm: number
  readonly grads: Arrays
  readonly logitScaleBeforeClamp: number
  readonly params: Arrays
}

const addArrays = (a: F64, b: F64): F64 => mapArray((v, i) => v + at(b.data, i), a)
const variablesOf = (params: Arrays): Record<string, Node> =>
  Object.fromEntries(Object.entries(params).map(([name, value]) => [name, variable(value)]))

const logitScaleOf = (params: Arrays): number => {
  const array = params["logit_scale"]
  if (array === undefined) throw new RangeError("the parameters have no logit_scale")
  return at(array.data, 0)
}

/** Loss, accuracy and gradients of one micro-batch; the gradients are those of loss / `divisor`. */
export const lossAndGradients = (
  { kind, config }: Pick<TrainingOptions, "kind" | "config">,
  params: Arrays,
  { images, tokens }: MicroBatch,
  divisor: number = 1
): { readonly loss: number; readonly accuracy: number; readonly grads: Arrays } => {
  const state = variablesOf(params)
  const { imageEmbed, textEmbed } = model({ kind, config, state, images, tokens })
  const logitScale = state["logit_scale"]
  if (logitScale === undefined) throw new RangeError("the parameters have no logit_scale")
  const { loss, accuracy } = contrastive.exact({ imageEmbed, textEmbed, logitScale })
  const gradients = backward(loss, mapArray(() => 1 / divisor, loss.value))
  const grads = Object.fromEntries(Object.entries(state).map(([name, node]) => [name, gradients.of(node)]))
  return { loss: at(loss.value.data, 0), accuracy, grads }
}

/** Trains from `init` and yields a record after each update. Source: GOLDENS section 5, protocol of step s. */
export function* train(
  options: TrainingOptions,
  init: Arrays,
  steps: Iterable<TrainingStep>
): Generator<StepRecord, void, undefined> {
  let params = init
  let state = initAdamW(init)
  for (const { lr, microBatches } of steps) {
    const current = params
    const passes = microBatches.map((batch) => lossAndGradients(options, current, batch, microBatches.length))
    const grads: Arrays = Object.fromEntries(
      Object.entries(params).map(([name, { shape }]) => {
        const parts = passes.flatMap((pass) => pass.grads[name] ?? [])
        return [name, parts.reduce(addArrays, zeros(shape))]
      })
    )
    const squares = Object.values(grads).map(({ data }) => data.reduce((sum, g) => sum + g * g, 0))
    const updated = updateAdamW(params, grads, state, lr, options.optimizer)
    state = updated.state
    params = clampLogitScale(updated.params, options.clamp)
    yield {
      losses: passes.map(({ loss }) => loss),
      accuracies: passes.map(({ accuracy }) => accuracy),
      gradNorm: Math.sqrt(squares.reduce((sum, s) => sum + s, 0)),
      grads,
      logitScaleBeforeClamp: logitScaleOf(updated.params),
      params
    }
  }
}
