/** A duration as `0:07`, `12:34` or `1:02:03`; a dash for what is not finite. */
export const formatDuration = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return "–"
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (n: number): string => String(n).padStart(2, "0")
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** A number with as many digits as are worth reading: `12,345`, `3.142`, `0.05`, `2e-5`. */
export const formatNumber = (x: number, digits: number = 4): string => {
  if (!Number.isFinite(x)) return String(x)
  const size = Math.abs(x)
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return x.toExponential(digits - 1).replace(/\.?0*e\+?/, "e")
  if (size >= 10 ** (digits - 1)) return grouped(Math.round(x))
  return String(Number(x.toPrecision(digits)))
}

/** A fraction as a percentage: `0.31 %`, `4.2 %`, `87 %`. */
export const formatPercent = (fraction: number): string => {
  const percent = 100 * fraction
  if (!Number.isFinite(percent)) return "–"
  if (percent === 0 || percent === 100) return `${percent} %`
  return `${percent.toFixed(percent < 1 ? 2 : percent < 99.5 ? 1 : 2)} %`
}

/** How many times chance: `9.3×`, `120×`; a dash where chance is zero. */
export const formatTimes = (value: number, chance: number): string => {
  const times = value / chance
  return Number.isFinite(times) ? `${times.toFixed(times < 10 ? 1 : 0)}×` : "–"
}

/** A number of bytes as `512 B`, `3.4 kB`, `1.2 GB`: powers of a thousand; a dash for what is not finite. */
export const formatBytes = (bytes: number): string => {
  if (!Number.isFinite(bytes)) return "–"
  const units = ["B", "kB", "MB", "GB", "TB"]
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, Math.abs(bytes))) / 3)))
  return `${formatNumber(bytes / 1000 ** power, 3)} ${units[power]}`
}

/** A difference with its sign: `+0.02`, `−1.5`, `±0`. */
export const formatDifference = (difference: number, format: (size: number) => string = formatNumber): string => {
  if (!Number.isFinite(difference)) return "–"
  if (format(Math.abs(difference)) === format(0)) return `±${format(0)}`
  return `${difference > 0 ? "+" : difference < 0 ? "−" : "±"}${format(Math.abs(difference))}`
}

const grouped = (x: number): string => String(x).replace(/\B(?=(\d{3})+$)/g, ",")
