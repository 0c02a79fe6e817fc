/**
 * QEMU's JSON lexer (qobject/json-lexer.c) as a push machine: bytes in, tokens out, split anywhere.
 *
 * Over RFC 8259 it takes single-quoted strings. An integer part of exactly 0 takes a fraction but no exponent; any
 * lower-case word is a keyword token, judged later. A byte no token can go on with ends the token as an error, itself
 * included; then bytes are skipped up to a structural character, a control byte other than TAB, FE or FF, which is
 * lexed as if nothing had been before it.
 */

export const TOKEN_STRING = 0;
export const TOKEN_INTEGER = 1;
export const TOKEN_FLOAT = 2;
export const TOKEN_KEYWORD = 3;
export const TOKEN_PUNCTUATION = 4;
/** A lexical error: the range is the pending token with the offending byte. */
export const TOKEN_STRAY = 5;
/** A token longer than the limit; the range is empty. */
export const TOKEN_TOO_LONG = 6;

/** Takes a token; the bytes are borrowed. False stops the feed behind this token. */
export type TokenSink = (kind: number, bytes: Uint8Array, start: number, end: number) => boolean;

const START = 0;
const RECOVERY = 1;
const DOUBLE_QUOTED = 2;
const SINGLE_QUOTED = 3;
const DOUBLE_ESCAPE = 4;
const SINGLE_ESCAPE = 5;
const SIGN = 6;
const ZERO = 7;
const DIGITS = 8;
const POINT = 9;
const FRACTION = 10;
const EXPONENT = 11;
const EXPONENT_SIGN = 12;
const EXPONENT_DIGITS = 13;
const KEYWORD = 14;
/** Results of a step that are not states. */
const STRAY = 20;
const STRING_DONE = 21;

const EMPTY = new Uint8Array(0);
/** A pending buffer larger than this is given back once its token is through. */
const KEEP_PENDING = 65536;

export class JsonLexer {
  readonly #sink: TokenSink;
  readonly #maxToken: number;
  #state = START;
  /** Bytes of a token that earlier chunks began. */
  #pending: Uint8Array = EMPTY;
  #pendingLength = 0;

  constructor(sink: TokenSink, maxToken: number) {
    this.#sink = sink;
    this.#maxToken = maxToken;
  }

  /** Lexes from `start`; returns the index behind the last byte used, less than `end` if the sink said stop. */
  feed(bytes: Uint8Array, start: number, end: number): number {
    let i = start;
    let tokenStart = i;
    while (i < end) {
      const c = bytes[i]!;
      const state = this.#state;
      if (state === START) {
        tokenStart = i;
        if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) {
          i++;
        } else if (isStructural(c)) {
          i++;
          if (!this.#sink(TOKEN_PUNCTUATION, bytes, tokenStart, i)) return i;
        } else {
          const next = firstState(c);
          i++;
          if (next !== STRAY) this.#state = next;
          else if (!this.#stray(bytes, tokenStart, i)) return i;
        }
        continue;
      }
      if (state === RECOVERY) {
        if (isReset(c)) this.#state = START;
        else i++;
        continue;
      }
      if (state === DOUBLE_QUOTED || state === SINGLE_QUOTED) {
        i = skipStringBytes(bytes, i, end, state === DOUBLE_QUOTED ? 0x22 : 0x27);
        if (i === end) break;
      }
      const next = nextState(state, bytes[i]!);
      if (next === STRAY) {
        i++;
        if (!this.#stray(bytes, tokenStart, i)) return i;
      } else if (next === STRING_DONE) {
        i++;
        if (!this.#emit(TOKEN_STRING, bytes, tokenStart, i)) return i;
      } else if (next === START) {
        // Numbers and keywords end at the first byte that is not theirs; it is lexed again from the start.
        if (!this.#emit(scalarKind(state), bytes, tokenStart, i)) return i;
      } else {
        this.#state = next;
        i++;
      }
    }
    if (this.#state > RECOVERY) return this.#keep(bytes, tokenStart, end);
    return end;
  }

  /** End of input: a number or keyword is complete, an open string is stray. Leaves the lexer at its start. */
  end(): void {
    const state = this.#state;
    if (state > RECOVERY) {
      const complete = state === ZERO || state === DIGITS || state >= EXPONENT_DIGITS || state === FRACTION;
      this.#emit(complete ? scalarKind(state) : TOKEN_STRAY, EMPTY, 0, 0);
    }
    this.reset();
  }

  /** Forgets a token begun and any error. */
  reset(): void {
    this.#state = START;
    this.#pendingLength = 0;
    this.#pending = EMPTY;
  }

  #stray(bytes: Uint8Array, start: number, end: number): boolean {
    const goOn = this.#emit(TOKEN_STRAY, bytes, start, end);
    this.#state = RECOVERY;
    return goOn;
  }

  #emit(kind: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.#state = START;
    if (this.#pendingLength === 0) return this.#sink(kind, bytes, start, end);
    this.#append(bytes, start, end);
    const whole = this.#pending;
    const length = this.#pendingLength;
    this.#pendingLength = 0;
    if (whole.length > KEEP_PENDING) this.#pending = EMPTY;
    return this.#sink(kind, whole, 0, length);
  }

  #keep(bytes: Uint8Array, start: number, end: number): number {
    this.#append(bytes, start, end);
    if (this.#pendingLength > this.#maxToken) {
      this.reset();
      this.#sink(TOKEN_TOO_LONG, EMPTY, 0, 0);
    }
    return end;
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#pendingLength + (end - start);
    if (length > this.#pending.length) {
      const grown = new Uint8Array(Math.max(256, length, this.#pending.length * 2));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(bytes.subarray(start, end), this.#pendingLength);
    this.#pendingLength = length;
  }
}

function isStructural(c: number): boolean {
  return c === 0x7b || c === 0x7d || c === 0x5b || c === 0x5d || c === 0x3a || c === 0x2c;
}

function isReset(c: number): boolean {
  return isStructural(c) || (c < 0x20 && c !== 0x09) || c >= 0xfe;
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function firstState(c: number): number {
  if (c === 0x22) return DOUBLE_QUOTED;
  if (c === 0x27) return SINGLE_QUOTED;
  if (c === 0x2d) return SIGN;
  if (c === 0x30) return ZERO;
  if (isDigit(c)) return DIGITS;
  return c >= 0x61 && c <= 0x7a ? KEYWORD : STRAY;
}

/** Index of the next byte the string's state must look at: its quote, a backslash, or an invalid byte. */
function skipStringBytes(bytes: Uint8Array, from: number, end: number, quote: number): number {
  let i = from;
  while (i < end) {
    const c = bytes[i]!;
    if (c === quote || c === 0x5c || c < 0x20 || c >= 0xfe) break;
    i++;
  }
  return i;
}

/** The next state, START for a number or keyword that ended before `c`, STRING_DONE or STRAY. */
function nextState(state: number, c: number): number {
  switch (state) {
    case DOUBLE_QUOTED:
      return c === 0x22 ? STRING_DONE : c === 0x5c ? DOUBLE_ESCAPE : STRAY;
    case SINGLE_QUOTED:
      return c === 0x27 ? STRING_DONE : c === 0x5c ? SINGLE_ESCAPE : STRAY;
    case DOUBLE_ESCAPE:
      return c < 0x20 || c >= 0xfe ? STRAY : DOUBLE_QUOTED;
    case SINGLE_ESCAPE:
      return c < 0x20 || c >= 0xfe ? STRAY : SINGLE_QUOTED;
    case SIGN:
      return c === 0x30 ? ZERO : isDigit(c) ? DIGITS : STRAY;
    case ZERO:
      return isDigit(c) ? STRAY : c === 0x2e ? POINT : START;
    case DIGITS:
      if (isDigit(c)) return DIGITS;
      return c === 0x2e ? POINT : isExponent(c) ? EXPONENT : START;
    case POINT:
      return isDigit(c) ? FRACTION : STRAY;
    case FRACTION:
      return isDigit(c) ? FRACTION : isExponent(c) ? EXPONENT : START;
    case EXPONENT:
      return c === 0x2b || c === 0x2d ? EXPONENT_SIGN : isDigit(c) ? EXPONENT_DIGITS : STRAY;
    case EXPONENT_SIGN:
      return isDigit(c) ? EXPONENT_DIGITS : STRAY;
    case EXPONENT_DIGITS:
      return isDigit(c) ? EXPONENT_DIGITS : START;
    default:
      return c >= 0x61 && c <= 0x7a ? KEYWORD : START;
  }
}

function isExponent(c: number): boolean {
  return c === 0x45 || c === 0x65;
}

function scalarKind(state: number): number {
  if (state === KEYWORD) return TOKEN_KEYWORD;
  return state === ZERO || state === DIGITS ? TOKEN_INTEGER : TOKEN_FLOAT;
}
