// expect: depcruise room-by-its-door
import { inner } from '../net/inner.ts';

export const used = inner;
