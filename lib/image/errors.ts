import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"

/** Why a picture was not read. */
export type ImageErrorReason = "tooManyBytes" | "tooManyPixels" | "unsupported" | "corrupt" | "truncated"

/** The facts: `numBytes` of the file, its size where the header was read, the cap that was passed. */
export interface ImageErrorFields {
  readonly reason: ImageErrorReason
  readonly numBytes: number
  readonly width?: number
  readonly height?: number
  readonly limit?: number
  readonly message: string
}

const ImageErrorBase: TaggedErrorClass<"ImageError", ImageErrorFields> = Data.TaggedError("ImageError")<
  ImageErrorFields
>

/** A picture that cannot be read. `message` says what was expected, what came, and what to do. */
export class ImageError extends ImageErrorBase {}
