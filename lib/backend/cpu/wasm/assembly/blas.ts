// Products handed to a BLAS of the host, where there is one.

/**
 * Row-major C [m, n] = alpha op(A) op(B) + beta C on byte addresses of this memory, leading dimensions in elements; a
 * transposed operand is stored as its transpose. Addresses above 2 GiB arrive negative on the host.
 */
@external("env", "sgemm")
declare function sgemm(
  transA: i32,
  transB: i32,
  m: i32,
  n: i32,
  k: i32,
  alpha: f32,
  a: usize,
  lda: i32,
  b: usize,
  ldb: i32,
  beta: f32,
  c: usize,
  ldc: i32
): void

/**
 * Whether products go to `sgemm`; the host sets it after it has made the instance. 1: rows may be cut where it suits the
 * threads; 2: bits depend on the cuts, which are then the same for any number of threads.
 */
export let blas: i32 = 0

/** Into how many shares of rows a product is cut where bits depend on it. */
const FIXED_SHARES: usize = 4

/** Below so many multiplications the call costs more than it saves. */
const LEAST: u64 = 4096

/** Shares begin at multiples of so many rows, and a thread more must have so many multiplications: blas/rows.ts says why. */
const ROW_STEP: usize = 24
const SHARE_WORK: u64 = 1 << 21

/** How many shares of rows a product has: at most `threads`, or as many as ever. */
export function blasShares(m: usize, n: usize, k: usize, threads: usize): usize {
  const most = blas == 2 ? FIXED_SHARES : threads
  return <usize>max<u64>(1, min<u64>(most, <u64>m * n * k / SHARE_WORK))
}

/** The first row of a share, as `rowShare` of blas/rows.ts; share = shares gives m. */
export function blasStart(m: usize, share: usize, shares: usize): usize {
  return share == shares ? m : ROW_STEP * ((m + ROW_STEP / 2) / ROW_STEP * share / shares)
}

/** Leading dimension of a matrix [rows, cols] with these strides in elements, negative if it is stored transposed, 0 if neither. */
function leading(rows: usize, cols: usize, row: usize, col: usize): i32 {
  if ((col == 1 || cols == 1) && (row >= cols || rows == 1)) return <i32>max(row, cols)
  if ((row == 1 || rows == 1) && (col >= rows || cols == 1)) return -<i32>max(col, rows)
  return 0
}

/** Whether the host's BLAS takes a product; m, n and k are those of the whole product, so that sharing it changes nothing. */
export function isForBlas(
  m: usize,
  n: usize,
  k: usize,
  aRow: usize,
  aCol: usize,
  bRow: usize,
  bCol: usize,
  ldc: usize
): bool {
  return blas != 0 && <u64>m * n * k >= LEAST && ldc >= n && leading(m, k, aRow, aCol) != 0 &&
    leading(k, n, bRow, bCol) != 0
}

/** The product as one call. Strides in elements. */
export function throughBlas(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  aRow: usize,
  aCol: usize,
  b: usize,
  bRow: usize,
  bCol: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAccumulating: bool,
  bias: usize
): void {
  if (bias != 0) {
    for (let i: usize = 0; i < m; i++) {
      const row = c + ((i * ldc) << 2)
      let j: usize = 0
      for (; j + 4 <= n; j += 4) {
        const at = row + (j << 2)
        let v = v128.load(bias + (j << 2))
        if (isAccumulating) v = f32x4.add(v128.load(at), v)
        v128.store(at, v)
      }
      for (; j < n; j++) {
        const at = row + (j << 2)
        store<f32>(at, (isAccumulating ? load<f32>(at) : 0) + load<f32>(bias + (j << 2)))
      }
    }
  }
  const lda = leading(m, k, aRow, aCol), ldb = leading(k, n, bRow, bCol)
  sgemm(
    lda < 0,
    ldb < 0,
    <i32>m,
    <i32>n,
    <i32>k,
    alpha,
    a,
    abs(lda),
    b,
    abs(ldb),
    isAccumulating || bias != 0 ? 1 : 0,
    c,
    <i32>ldc
  )
}
