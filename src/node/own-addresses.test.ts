import { describe, expect, it } from 'vitest';
import { OwnAddresses } from './own-addresses.ts';

describe('addresses of this machine', () => {
  it('those of its interfaces are, others are not', () => {
    const own = new OwnAddresses();
    expect(own.has('127.0.0.1')).toBe(true);
    expect(own.has('192.0.2.77')).toBe(false);
    expect(own.has('127.0.0')).toBe(false);
  });

  it('each is asked for once a second', () => {
    let now = 0;
    let answer = false;
    const asked: string[] = [];
    const ask = (host: string): boolean => {
      asked.push(host);
      return answer;
    };
    const own = new OwnAddresses(ask, () => now);
    expect([own.has('a'), own.has('a'), own.has('b')]).toEqual([false, false, false]);
    expect(asked).toEqual(['a', 'b']);
    answer = true;
    now = 999;
    expect(own.has('a')).toBe(false);
    now = 1000;
    expect(own.has('a')).toBe(true);
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  it('it remembers no more than a few', () => {
    const asked: string[] = [];
    const own = new OwnAddresses(
      (host) => {
        asked.push(host);
        return true;
      },
      () => 0,
    );
    for (let i = 0; i < 65; i++) own.has(`${i}`);
    own.has('0');
    expect(asked.length).toBe(66);
  });
});
