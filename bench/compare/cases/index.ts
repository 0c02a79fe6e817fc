import type { Case } from '../kit/case.ts';
import { memory } from './memory.ts';
import { requests } from './requests.ts';
import { switching } from './switch.ts';
import { tcp } from './tcp.ts';

export const CASES: readonly Case[] = [tcp, requests, switching, memory];
