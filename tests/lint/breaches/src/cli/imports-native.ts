// expect: depcruise native-only-from-node
import { call } from '../../native/surface.ts';

export const used = call;
