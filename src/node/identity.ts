import { homedir, userInfo } from 'node:os';
import type { Identity } from '../net/index.ts';

export function nodeIdentity(): Identity {
  return { processId: process.pid, userName: userName(), home: homeOf() };
}

/** An id without an entry in passwd has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? '');
  }
}

function homeOf(): string {
  try {
    return homedir();
  } catch {
    return '';
  }
}
