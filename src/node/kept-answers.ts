/**
 * Answers of the system, kept for a moment: what strangers send must not have it asked for each datagram. What it says
 * changes (addresses come and go, interfaces are renamed), so they are kept for no longer.
 */
import { nodeClock } from './clock.ts';

/** An answer holds for so long. */
const KEPT_MS = 1000;
/** Beyond it all are forgotten. */
const MAX_KEPT = 64;

export class KeptAnswers<Question, Answer> {
  readonly #kept = new Map<Question, { readonly answer: Answer; readonly askedMs: number }>();
  readonly #ask: (question: Question) => Answer;
  readonly #now: () => number;

  constructor(ask: (question: Question) => Answer, now: () => number = nodeClock.now) {
    this.#ask = ask;
    this.#now = now;
  }

  /** @param maxAgeMs 0 = asked anew */
  get(question: Question, maxAgeMs = KEPT_MS): Answer {
    const askedMs = this.#now();
    const kept = this.#kept.get(question);
    if (kept !== undefined && askedMs - kept.askedMs < maxAgeMs) return kept.answer;
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const answer = this.#ask(question);
    this.#kept.set(question, { answer, askedMs });
    return answer;
  }
}
