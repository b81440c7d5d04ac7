import { Base64 } from "effect/encoding"

/** Picture formats that every browser shows. SVG is not among them: it can ask for other files. */
export type PictureType = "image/png" | "image/jpeg" | "image/webp" | "image/gif"

/** An encoded picture as a URL that holds it whole. */
export const dataUrl = (type: PictureType, bytes: Uint8Array): string => `data:${type};base64,${Base64.encode(bytes)}`

/** Passes such a URL on. Throws TypeError for any other, because a page that asks for it would not be self-contained. */
export const checkDataUrl = (url: string): string => {
  if (/^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]*={0,2}$/.test(url)) return url
  throw new TypeError(`report: expected a picture as data:image/png;base64,…, got ${JSON.stringify(url.slice(0, 40))}`)
}
