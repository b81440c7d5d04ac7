/**
 * How threads share one product without changing its bits. A BLAS sums an element in an order that depends on where it
 * lies among the rows and columns of its call. OpenBLAS 0.3.21 (kernels Haswell, Zen, SkylakeX, Cooperlake, Sandybridge
 * and Nehalem, tried in test/backend/cpu/blas) gives the same bits when rows are cut at multiples of 24, since all its
 * tiles divide 24, and when no share is so small that a kernel for small matrices takes it (10^6 multiply-adds on
 * SkylakeX). Columns cannot be cut anywhere, nor k.
 */

/** Shares begin at multiples of so many rows. */
export const ROW_STEP = 24

/** Multiply-adds that are worth a further thread. No share has less than half of it, 2^20, as long as m is shared. */
export const SHARE_WORK: number = 2 ** 21

/**
 * The rows [from, to) of an [m, n] product over k that are the share of one of `threads` threads; none where from equals
 * to. All shares together are all rows, once.
 */
export const rowShare = (
  m: number,
  n: number,
  k: number,
  thread: number,
  threads: number
): readonly [from: number, to: number] => {
  const shares = Math.max(1, Math.min(threads, Math.floor(m * n * k / SHARE_WORK)))
  if (thread >= shares) return [m, m]
  const blocks = Math.round(m / ROW_STEP)
  const start = (share: number): number => share === shares ? m : ROW_STEP * Math.floor(blocks * share / shares)
  return [start(thread), start(thread + 1)]
}
