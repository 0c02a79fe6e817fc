// expect: depcruise source-without-tests
import { probe } from '../../tests/probe.ts';

export const used = probe;
