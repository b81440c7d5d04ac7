import type { Attribution } from "diffclip"

/** Who drew the pictures. Shown in the report and printed by the demo; the art itself is never committed. */
export const attributions: ReadonlyArray<Attribution> = [
  {
    work: "Noto Emoji",
    author: "Google (as packed in emoji-datasource-google 16.0.0)",
    licence: "Apache-2.0",
    url: "https://github.com/googlefonts/noto-emoji",
    changes: "laid on white"
  },
  {
    work: "Twemoji",
    author: "Twitter, Inc. and other contributors (as packed in emoji-datasource-twitter 16.0.0)",
    licence: "CC BY 4.0",
    url: "https://github.com/jdecked/twemoji",
    changes: "laid on white"
  },
  {
    work: "OpenMoji",
    author: "the open-source emoji and icon project and its contributors (openmoji 17.0.0)",
    licence: "CC BY-SA 4.0",
    url: "https://openmoji.org",
    changes: "rendered on white at 64 x 64 pixels"
  }
]
