export type { AsPublishedOptions } from "./contrastive.ts"
export { contrastive } from "./contrastive.ts"
