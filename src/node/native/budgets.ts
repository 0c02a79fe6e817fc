/** What one descriptor gets of a turn before the others have theirs. */

/** Bytes read from a stream. */
export const READ_BUDGET = 512 * 1024;
/** Datagrams received. */
export const DATAGRAM_BUDGET = 64;
/** Connections accepted. */
export const ACCEPT_BUDGET = 64;
