// expect: depcruise layer-wire
import { frameLimit } from '../net/index.ts';

export const limit = frameLimit;
