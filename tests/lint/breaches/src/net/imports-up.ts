// expect: depcruise layer-net
import { host } from '../node/index.ts';

export const used = host;
