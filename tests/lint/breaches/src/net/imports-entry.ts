// expect: depcruise entry-is-for-cli
import { createYard } from '../index.ts';

export const used = createYard;
