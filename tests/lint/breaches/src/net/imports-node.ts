// expect: depcruise portable-no-node
// expect: tsc TS2591
import { readFileSync } from 'node:fs';

export const read = readFileSync;
