import { plainText } from "../../lib/track/index.ts"
import type { DiffReport, TensorDifference } from "./diff.ts"

const shape = (sizes: ReadonlyArray<number>): string => `[${sizes.join(", ")}]`

const line = ({ name, shapes, dtypes, numDifferent, maxAbsDifference }: TensorDifference): string => {
  const parts = [
    ...(shapes === undefined ? [] : [`shape ${shape(shapes[0])} and ${shape(shapes[1])}`]),
    ...(dtypes === undefined ? [] : [`dtype ${dtypes.join(" and ")}`]),
    ...(numDifferent === undefined ? [] : [`${numDifferent} elements, by at most ${maxAbsDifference?.toPrecision(4)}`])
  ]
  return `differs: ${plainText(name)}: ${parts.join("; ")}`
}

/** A comparison as text: a line for each tensor that is missing or differs, then a summary. */
export const renderDiff = (
  { files, numCompared, onlyInFirst, onlyInSecond, different, isEqual }: DiffReport
): string => {
  const [a, b] = files.map(plainText)
  return [
    ...onlyInFirst.map((name) => `only in ${a}: ${plainText(name)}`),
    ...onlyInSecond.map((name) => `only in ${b}: ${plainText(name)}`),
    ...different.map(line),
    isEqual ?
      `equal: ${numCompared} tensors` :
      `${different.length} of ${numCompared} common tensors differ, ${
        onlyInFirst.length + onlyInSecond.length
      } are in one file only`
  ].join("\n")
}
