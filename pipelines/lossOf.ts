import type { Loss } from "../lib/api/index.ts"
import { contrastive } from "../lib/losses/index.ts"
import type { LossConfig } from "./config.ts"

/** The loss that a configuration names. */
export const lossOf = (config: LossConfig): Loss =>
  config.name === "exact" ? contrastive.exact : contrastive.asPublished(config)
