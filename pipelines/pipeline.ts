import { classify } from "./classify.ts"
import { embed } from "./embed.ts"
import { evaluate } from "./evaluate.ts"
import { load } from "./load.ts"
import { plan, showPlan } from "./plan.ts"
import { train } from "./train.ts"

/** The verbs: each takes plain values and gives an Effect whose services say what it touches. */
export const Pipeline: {
  readonly train: typeof train
  readonly evaluate: typeof evaluate
  readonly embed: typeof embed
  readonly classify: typeof classify
  readonly load: typeof load
  readonly plan: typeof plan
  readonly showPlan: typeof showPlan
} = { train, evaluate, embed, classify, load, plan, showPlan }
