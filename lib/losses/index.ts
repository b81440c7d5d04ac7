export type { AsPublishedOptions } from "./contrastive.ts"
export { contrastive, groupLosses } from "./contrastive.ts"
