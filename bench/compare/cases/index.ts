import type { Case } from '../kit/case.ts';
import { tcp } from './tcp.ts';

export const CASES: readonly Case[] = [tcp];
