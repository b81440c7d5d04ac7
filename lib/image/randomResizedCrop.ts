import { exp, log } from "../tensor/math.ts"
import type { Box } from "./rgb.ts"
import { roundHalfEven } from "./rgb.ts"

/** The part of the area to keep and the proportions (width over height) allowed, each as [least, most]. */
export interface RandomResizedCropOptions {
  readonly scale: readonly [number, number]
  readonly ratio: readonly [number, number]
}

const MAX_TRIES = 10

const between = (next: () => number, [low, high]: readonly [number, number]): number => low + (high - low) * next()

/** An offset from 0 to `room`, both possible. */
const offsetWithin = (next: () => number, room: number): number => Math.min(room, Math.floor(next() * (room + 1)))

/** The largest box in the middle whose proportions lie in the range; what torchvision falls back to. */
const fallbackBox = (width: number, height: number, [narrowest, widest]: readonly [number, number]): Box => {
  const proportions = width / height
  const boxHeight = proportions < narrowest ? Math.min(height, roundHalfEven(width / narrowest)) : height
  const boxWidth = proportions > widest ? Math.min(width, roundHalfEven(height * widest)) : width
  return {
    left: Math.floor((width - boxWidth) / 2),
    top: Math.floor((height - boxHeight) / 2),
    width: boxWidth,
    height: boxHeight
  }
}

/**
 * Draw the box of a random resized crop in a picture of `width` x `height` pixels. Up to 10 tries: area uniform in
 * `scale`, proportions log-uniform in `ratio`, sides rounded halves to even, accepted if they fit, then top and left
 * uniform; else the largest centred box. `next` gives numbers in [0, 1) and is called 2 times a try and 2 for the
 * offsets, in that order, so the box is a function of the sequence (make it from a key; never from a global generator).
 * The distribution is torchvision's, its random numbers are not. exp and log are the library's own, so the same
 * sequence gives the same box on every runtime. Source: REFERENCE 4.4; torchvision `RandomResizedCrop.get_params`.
 */
export const randomResizedCropBox = (
  width: number,
  height: number,
  { scale, ratio }: RandomResizedCropOptions,
  next: () => number
): Box => {
  const logRatio = [log(ratio[0]), log(ratio[1])] as const
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const area = width * height * between(next, scale)
    const proportions = exp(between(next, logRatio))
    const boxWidth = roundHalfEven(Math.sqrt(area * proportions))
    const boxHeight = roundHalfEven(Math.sqrt(area / proportions))
    if (boxWidth > 0 && boxWidth <= width && boxHeight > 0 && boxHeight <= height) {
      const top = offsetWithin(next, height - boxHeight)
      const left = offsetWithin(next, width - boxWidth)
      return { left, top, width: boxWidth, height: boxHeight }
    }
  }
  return fallbackBox(width, height, ratio)
}
