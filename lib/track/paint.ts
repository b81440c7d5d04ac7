/** Colours for a terminal, by what they are for. */
export interface Paint {
  readonly accent: (text: string) => string
  readonly bold: (text: string) => string
  readonly faint: (text: string) => string
}

/** Leaves text as it is: for pipes, and where `NO_COLOR` is set. */
export const noPaint: Paint = { accent: (text) => text, bold: (text) => text, faint: (text) => text }

const wrapped = (code: number, end: number) => (text: string): string => `\u001b[${code}m${text}\u001b[${end}m`

/** The sixteen colours that every terminal has, in the user's own theme. */
export const ansi: Paint = { accent: wrapped(36, 39), bold: wrapped(1, 22), faint: wrapped(2, 22) }
