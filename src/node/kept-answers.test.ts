import { describe, expect, it } from 'vitest';
import { KeptAnswers } from './kept-answers.ts';

describe('answers that are kept', () => {
  it('each is asked for once a second', () => {
    let now = 0;
    let answer = false;
    const asked: string[] = [];
    const ask = (host: string): boolean => {
      asked.push(host);
      return answer;
    };
    const kept = new KeptAnswers(ask, () => now);
    expect([kept.get('a'), kept.get('a'), kept.get('b')]).toEqual([false, false, false]);
    expect(asked).toEqual(['a', 'b']);
    answer = true;
    now = 999;
    expect(kept.get('a')).toBe(false);
    now = 1000;
    expect(kept.get('a')).toBe(true);
    expect(asked).toEqual(['a', 'b', 'a']);
    answer = false;
    expect([kept.get('a'), kept.get('a', 0), kept.get('a')]).toEqual([true, false, false]);
  });

  it('it remembers no more than a few', () => {
    const asked: string[] = [];
    const kept = new KeptAnswers(
      (host: string) => {
        asked.push(host);
        return true;
      },
      () => 0,
    );
    for (let i = 0; i < 65; i++) kept.get(`${i}`);
    kept.get('0');
    expect(asked.length).toBe(66);
  });
});
