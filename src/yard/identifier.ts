/** QEMU util/id.c id_wellformed: a letter, then letters, digits, `-`, `.`, `_`. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text);
}
