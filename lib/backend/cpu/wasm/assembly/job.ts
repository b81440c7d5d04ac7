// The job record: what one call of a kernel is about. The main thread writes it, every worker reads it.
// Words 0..47 are integers and addresses, words 48..55 are floats, words 56 and 57 say where the packing scratch lies.

/** Address of the job record in the shared memory; layout.ts on the host side has the same number. */
export const JOB: usize = 256

/** How many partial sums a reduction over rows has, whatever the number of workers: so bits never depend on it. */
export const CHUNKS: usize = 16

@inline export function word(n: usize): usize {
  return load<u32>(JOB + (n << 2))
}

@inline export function float(n: usize): f32 {
  return load<f32>(JOB + ((48 + n) << 2))
}

/** The packing scratch of worker t. */
@inline export function scratchOf(t: usize): usize {
  return load<u32>(JOB + (56 << 2)) + t * load<u32>(JOB + (57 << 2))
}

/** First index of worker t's share of n. */
@inline export function share(n: usize, t: usize, threads: usize): usize {
  return <usize>(<u64>n * t / threads)
}
