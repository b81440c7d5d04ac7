/** SLIP's seven ImageNet templates, in its order. Source: REFERENCE 6.1, Radford et al. 2021. */
export const slipTemplates: ReadonlyArray<string> = [
  "itap of a {}.",
  "a bad photo of the {}.",
  "a origami {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}."
]

const articles = ["a", "the"]
const openings = [
  "a bad photo of",
  "a sculpture of",
  "a low resolution photo of",
  "a rendering of",
  "graffiti of",
  "a cropped photo of",
  "a tattoo of",
  "a bright photo of",
  "a dark photo of",
  "a drawing of",
  "a close-up photo of",
  "a black and white photo of",
  "a painting of",
  "a pixelated photo of",
  "a jpeg corrupted photo of",
  "a blurry photo of",
  "a good photo of",
  "a doodle of",
  "a sketch of",
  "a rendition of",
  "art of",
  "itap of",
  "a photo of"
]
const qualities = ["hard to see", "clean", "dirty", "cool", "large", "nice", "weird", "small"]
const materials = ["embroidered", "plastic", "origami", "toy", "cartoon", "plushie"]

/**
 * The 80 ImageNet templates of open_clip and CLIP_benchmark, by their grammar. The order is ours; the mean over
 * templates does not depend on it beyond rounding. Source: REFERENCE 6.1.
 */
export const openClipTemplates: ReadonlyArray<string> = [
  ...articles.flatMap((article) => [
    ...openings.map((opening) => `${opening} ${article} {}.`),
    ...qualities.map((quality) => `a photo of ${article} ${quality} {}.`),
    ...materials.map((material) => `${article} ${material} {}.`),
    `${article} {} in a video game.`
  ]),
  "a photo of many {}.",
  "a photo of my {}.",
  "a photo of one {}.",
  "itap of my {}."
]

/** The template with the name at each `{}`. */
export const fillTemplate = (template: string, name: string): string => template.split("{}").join(name)
