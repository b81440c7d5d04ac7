export { fixEncoding } from "./fixEncoding.ts"
export { fixText, isPlain } from "./fixText.ts"
