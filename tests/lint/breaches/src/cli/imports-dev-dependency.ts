// expect: depcruise no-dev-dependency
import { check } from 'fast-check';

export const used = check;
