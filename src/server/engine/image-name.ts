// Names of images. They stand in paths of the engine's API, so what is none could mean anything there.

/*
 * reference = name [":" tag] ["@" digest], name = [host [":" port] "/"] component *("/" component), as
 * https://pkg.go.dev/github.com/distribution/reference has it, but for addresses of IPv6. An image's id is such a name as well,
 * with the digits for a tag in `sha256:…`.
 */
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const HOST = String.raw`${LABEL}(?:\.${LABEL})*(?::[0-9]{1,5})?`;
const COMPONENT = "[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*";
const TAG = String.raw`[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`;
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,128}";
const REFERENCE = new RegExp(`^((?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*)(?::${TAG})?(?:@${DIGEST})?$`);
const MOST_CHARACTERS = 500;
/** Of the part before the tag. */
const MOST_OF_NAME = 255;

/** For a person who wrote one that is none. */
export const IMAGE_NAMES =
  "write [HOST[:PORT]/]name[:TAG][@DIGEST], the name in lower case: python:3.13 or registry.example:5000/team/app";

/** Whether a text can name an image: then it means nothing else in a path of the engine's API, however that is read. */
export function isImageName(text: string): boolean {
  if (text.length > MOST_CHARACTERS) return false;
  const name = REFERENCE.exec(text)?.[1];
  return name !== undefined && name.length <= MOST_OF_NAME;
}
