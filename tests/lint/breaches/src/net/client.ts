// expect: depcruise contract-leads-nowhere
import { inner } from './inner.ts';

export const used = inner;
