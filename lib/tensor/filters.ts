/** A filter that resizes by interpolation: how far it reaches, in samples, and its weight at a distance. */
export interface ResampleFilter {
  readonly support: number
  readonly weight: (x: number) => number
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))

const cubic = (x: number): number => {
  const a = -0.5
  const d = Math.abs(x)
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0
}

/** `bilinear` is the triangle (support 1), `bicubic` Keys' cubic with a = -0.5 (support 2). Source: Pillow, Resample.c. */
export const resampleFilters: { readonly bilinear: ResampleFilter; readonly bicubic: ResampleFilter } = {
  bilinear: { support: 1, weight: triangle },
  bicubic: { support: 2, weight: cubic }
}
