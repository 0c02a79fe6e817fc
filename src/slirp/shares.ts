/** The tables of the user network are shared by ports: see net/shares. */
export { ORPHANS, SHARE_OF_FREE, Shares, STRANGERS } from '../net/index.ts';
