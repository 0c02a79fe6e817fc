/**
 * Keeps web pages out. A page in the user's browser may send a request to any TCP port of this machine, unasked, and QMP's
 * lexer finds its way from the header to the commands behind it. A page chooses the method, but not that its request begins
 * with one: a token (RFC 9110 section 5.6.2) and a space, perhaps behind empty lines. Where it speaks TLS or STUN, its bytes
 * may be the page's choice as well; both begin with a control character. No QMP client begins in any of these ways.
 */

const SPACE = 0x20;
const PUNCTUATION = new Set(Array.from("!#$%&'*+-.^_`|~", (character) => character.charCodeAt(0)));

const BEFORE = 0;
const IN_TOKEN = 1;
const PASSED = 2;
const REFUSED = 3;

export class HttpGuard {
  #state = BEFORE;

  /**
   * Looks at the next bytes of a client; true from the first on that make it a browser's. A token alone holds no
   * command: what came of it until then has done nothing.
   */
  refuses(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length && this.#state < PASSED; i++) this.#state = next(this.#state, bytes[i]!);
    return this.#state === REFUSED;
  }
}

function next(state: number, c: number): number {
  if (isTokenByte(c)) return IN_TOKEN;
  if (state === IN_TOKEN) return c === SPACE ? REFUSED : PASSED;
  if (c === 0x0d || c === 0x0a || c === 0x09 || c === SPACE) return BEFORE;
  return c < SPACE ? REFUSED : PASSED;
}

function isTokenByte(c: number): boolean {
  const letter = c | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (c >= 0x30 && c <= 0x39) || PUNCTUATION.has(c);
}
