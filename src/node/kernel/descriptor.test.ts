import { expect, it } from 'vitest';
import { WOULD_BLOCK } from '../../net/index.ts';
import { FAILED, type NativeBinding, READABLE } from '../native/binding.ts';
import type { Readiness, ReadyHandler } from '../native/readiness.ts';
import { NativeDescriptor } from './descriptor.ts';

const EAGAIN = -11;

it('is looked at again after an error in passing, as an interface shows while it is taken down', () => {
  let handler: ReadyHandler | undefined;
  let rearmed = 0;
  const readiness: Readiness = {
    watch: (_fd, _events, given) => {
      handler = given;
      return { interest: () => {}, rearm: () => rearmed++, close: () => {} };
    },
    close: () => {},
  };
  const binding = { calls: { read: () => EAGAIN, close: () => 0 } } as unknown as NativeBinding;
  const descriptor = new NativeDescriptor(binding, readiness, new Set(), 5);
  const seen: unknown[] = [];
  descriptor.onEvent = (event) => seen.push([event, descriptor.read(new Uint8Array(1), 0, 1)]);
  descriptor.interest(true, false);
  handler?.ready(READABLE | FAILED);
  expect(seen).toEqual([
    ['readable', WOULD_BLOCK],
    ['error', WOULD_BLOCK],
  ]);
  expect(rearmed).toBe(1);
  descriptor.onEvent = () => descriptor.close();
  handler?.ready(FAILED);
  expect(rearmed).toBe(1);
});
