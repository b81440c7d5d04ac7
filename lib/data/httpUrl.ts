/** Whether a shard's location is on a server. */
export const isHttpUrl = (location: string): boolean => /^https?:\/\//i.test(location)

const hidden = (part: string): string => part.includes("=") ? `${part.slice(0, part.indexOf("="))}=***` : "***"

/**
 * An address of any scheme, or of none, for people and files: without its user and password (up to the last `@` before
 * the path, since people leave that of a password as it is), without its fragment, and with the values of its query hidden.
 */
export const shownAddress = (address: string): string =>
  address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/?#]*@/i, "$1").replace(/#.*$/s, "").replace(
    /\?(.*)$/s,
    (_, query: string) => `?${query.split("&").map(hidden).join("&")}`
  )

/** A URL of a server as `shownAddress` has it; a path as it is. */
export const shownUrl = (url: string): string => isHttpUrl(url) ? shownAddress(url) : url

/** Where an address begins in a word; another begins behind it at what joins locations. */
const ADDRESS = /[a-z][a-z0-9+.-]*:\/\/(?:(?!(?:::|[+*=,\s"'])https?:\/\/).)*/gis

/** A word of a command line that may hold addresses, such as `--data=0.7*https://…`, with each as `shownAddress` has it. */
export const shownWord = (word: string): string => word.replace(ADDRESS, shownAddress)

/** A location that may be a list (`::`) of paths and URLs, for people and files. */
export const shownLocation = (location: string): string => location.split("::").map(shownUrl).join("::")

/** A text that may quote URLs, such as an error of the network, with each of them as `shownUrl` has it. */
export const withShownUrls = (text: string): string => text.replace(/https?:\/\/[^\s"'()<>]+/gi, (url) => shownUrl(url))

/** A part of a URL without percent signs; as it is where they encode nothing. */
export const decoded = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    if (cause instanceof URIError) return part
    throw cause
  }
}

/** The value of the Authorization header that a URL's user and password stand for, in UTF-8. */
export const basicAuthorization = (user: string, password: string): string => {
  const bytes = new TextEncoder().encode(`${decoded(user)}:${decoded(password)}`)
  return `Basic ${btoa(String.fromCharCode(...bytes))}`
}

/** The last part of a URL's path, decoded: what a file beside it calls it. */
export const nameInUrl = (url: string): string => {
  const path = url.replace(/[?#].*$/s, "")
  return decoded(path.slice(path.lastIndexOf("/") + 1))
}

/** The URL of a file beside another; a query goes with it, since access tokens are often of the whole folder. */
export const urlBeside = (url: string, name: string): string => {
  const query = /\?[^#]*/.exec(url)?.[0] ?? ""
  const path = url.replace(/[?#].*$/s, "")
  return `${path.slice(0, path.lastIndexOf("/") + 1)}${encodeURIComponent(name)}${query}`
}

const SCHEME = /^(?:([a-z][a-z0-9+.-]+):\/\/|(pipe|file|data):)/i

/** Why a location cannot be one of a shard, as the end of a sentence; undefined for a path of the file system and http(s). */
export const locationProblem = (location: string): string | undefined => {
  const found = SCHEME.exec(location)
  const scheme = (found?.[1] ?? found?.[2])?.toLowerCase()
  if (scheme === undefined) return undefined
  if (scheme === "pipe") return "pipe: runs a shell command, which is not done here: name files or https:// URLs"
  if (scheme !== "http" && scheme !== "https") return `${scheme}: is not read here: name files or http(s):// URLs`
  if (!URL.canParse(location)) return "it is no URL"
  if (/^[^?#]*\/(?:[?#]|$)/.test(location)) {
    return "it is a directory, and a server lists none: give a pattern such as https://host/path/{00000..00331}.tar"
  }
  return undefined
}
