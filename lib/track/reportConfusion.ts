import { formatNumber, formatPercent } from "./format.ts"
import { type Confusion, confusionMap } from "./heatMap.ts"
import { type Html, markup } from "./html.ts"
import { section } from "./reportSections.ts"

/** Who was taken for whom. */
export const confusionSection = (confusions: ReadonlyArray<Confusion>): Html | undefined =>
  confusions.length === 0 ? undefined : section(
    "What is taken for what",
    "Each row is a true group, each column what the model called it, in percent of the row; a perfect model fills the " +
      "diagonal and nothing else.",
    confusions.map((confusion) =>
      markup`<p class="lead">${
        confusionSentence(confusion)
      }</p><figure class="wide"><figcaption>${confusion.title}</figcaption>${confusionMap(confusion)}</figure>`
    )
  )

/**
 * The matrix in a sentence: the two classes that wrongly get most pictures, and the cell off the diagonal with the
 * largest share of its row. The first of equals is named.
 */
export const confusionSentence = ({ classNames, counts }: Confusion): string => {
  const numClasses = classNames.length
  const cells = classNames.flatMap((name, row) => {
    const ofRow = classNames.map((said, column) => ({ name, said, count: counts[row * numClasses + column] ?? 0 }))
    const total = ofRow.reduce((sum, { count }) => sum + count, 0)
    return ofRow.map((cell, column) => ({
      ...cell,
      isWrong: row !== column,
      share: total === 0 ? 0 : cell.count / total
    }))
  })
  const mistakes = cells.filter(({ isWrong, count }) => isWrong && count > 0)
  const [largest] = mistakes.toSorted((a, b) => b.share - a.share)
  if (largest === undefined) return "No picture is taken for another class."
  const numMistakes = mistakes.reduce((sum, { count }) => sum + count, 0)
  const absorbing = classNames
    .map((said) => ({
      said,
      count: mistakes.reduce((sum, cell) => cell.said === said ? sum + cell.count : sum, 0)
    }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, 2)
  const names = absorbing.map(({ said, count }) => `“${said}” (${formatNumber(count)})`).join(" and ")
  return `Of ${formatNumber(numMistakes)} ${
    numMistakes === 1 ? "mistake" : "mistakes"
  } most end in ${names}; the largest confusion: ` +
    `${formatPercent(largest.share)} of “${largest.name}” are called “${largest.said}”.`
}
