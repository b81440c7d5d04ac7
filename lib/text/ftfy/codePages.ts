/**
 * The single-byte encodings that UTF-8 is commonly misread as, in the order in which repairs try them. `upper` holds the
 * characters of bytes 80 to FF; a byte without an assignment stands for the C1 control of the same number, since that is
 * what tolerant readers made of it. In a sloppy encoding the replacement character takes byte 1A, so that text which has
 * lost bytes can still be encoded (and a real 1A can't). Data: the code pages as Microsoft, Apple, IBM and ISO define them.
 */
export interface CodePage {
  readonly name: string
  readonly isSloppy: boolean
  readonly upper: string
}

const latin1: CodePage = {
  name: "latin-1",
  isSloppy: false,
  upper: String.fromCharCode(...Array.from({ length: 128 }, (_, index) => 128 + index))
}

export const windows1252: CodePage = {
  name: "sloppy-windows-1252",
  isSloppy: true,
  upper: "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ" +
    "\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿" +
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ"
}

const windows1251: CodePage = {
  name: "sloppy-windows-1251",
  isSloppy: true,
  upper: "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\x98™љ›њќћџ" +
    "\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї" +
    "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя"
}

const windows1250: CodePage = {
  name: "sloppy-windows-1250",
  isSloppy: true,
  upper: "€\x81‚\x83„…†‡\x88‰Š‹ŚŤŽŹ\x90‘’“”•–—\x98™š›śťžź" +
    "\xa0ˇ˘Ł¤Ą¦§¨©Ş«¬\xad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż" +
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙"
}

const windows1253: CodePage = {
  name: "sloppy-windows-1253",
  isSloppy: true,
  upper: "€\x81‚ƒ„…†‡\x88‰\x8a‹\x8c\x8d\x8e\x8f\x90‘’“”•–—\x98™\x9a›\x9c\x9d\x9e\x9f" +
    "\xa0΅Ά£¤¥¦§¨©ª«¬\xad®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ" +
    "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ"
}

const windows1254: CodePage = {
  name: "sloppy-windows-1254",
  isSloppy: true,
  upper: "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8d\x8e\x8f\x90‘’“”•–—˜™š›œ\x9d\x9eŸ" +
    "\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿" +
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ"
}

const windows1257: CodePage = {
  name: "sloppy-windows-1257",
  isSloppy: true,
  upper: "€\x81‚\x83„…†‡\x88‰\x8a‹\x8c¨ˇ¸\x90‘’“”•–—\x98™\x9a›\x9c¯˛\x9f" +
    "\xa0¡¢£¤¥¦§Ø©Ŗ«¬\xad®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ" +
    "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙"
}

const iso8859part2: CodePage = {
  name: "iso-8859-2",
  isSloppy: false,
  upper:
    "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f" +
    "\xa0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\xadŽŻ°ą˛ł´ľśˇ¸šşťź˝žż" +
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙"
}

const macroman: CodePage = {
  name: "macroman",
  isSloppy: false,
  upper: "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü" +
    "†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø" +
    "¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ"
}

const cp437: CodePage = {
  name: "cp437",
  isSloppy: false,
  upper: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ" +
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0"
}

/** All of them, the likeliest first: Latin-1, Windows by how often each is seen, ISO 8859-2, then the obsolete ones. */
export const codePages: ReadonlyArray<CodePage> = [
  latin1,
  windows1252,
  windows1251,
  windows1250,
  windows1253,
  windows1254,
  windows1257,
  iso8859part2,
  macroman,
  cp437
]

/** The Windows encodings and Latin-1 hold the same kind of character at the same byte, so they tell lead bytes apart. */
export const latinLikePages: ReadonlyArray<CodePage> = codePages.slice(0, 7)
