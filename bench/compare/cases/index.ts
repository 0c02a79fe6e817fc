import type { Case } from '../kit/case.ts';
import { delayed } from './delay.ts';
import { fairness } from './fairness.ts';
import { hostile } from './hostile.ts';
import { memory } from './memory.ts';
import { requests } from './requests.ts';
import { scaling } from './scaling.ts';
import { switching } from './switch.ts';
import { tcp } from './tcp.ts';

/** In the order they run. */
export const CASES: readonly Case[] = [tcp, requests, delayed, switching, memory, scaling, fairness, hostile];
