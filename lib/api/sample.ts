/** A decoded picture: 8-bit RGB, rows first, [height, width, 3]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A picture with its captions. `key` names it for augmentation noise, reports and errors. */
export interface ImageText {
  readonly key: string
  readonly image: RgbImage
  /** At least one; where there are several, training draws one at each access. */
  readonly captions: ReadonlyArray<string>
}

/** A picture with the index of its class (0-based, into the data set's `classNames`). */
export interface ImageLabel {
  readonly key: string
  readonly image: RgbImage
  readonly label: number
}
