// The other half of cycle-a.ts; a cycle is reported once.
import { a } from './cycle-a.ts';

export const b = (): number => a();
